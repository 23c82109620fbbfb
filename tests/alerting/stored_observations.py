"""Observations in the tables of the gateway, as stored when a peak is notified."""

from datetime import timedelta

import psycopg

from tests.gateway.enrolled_node import enrol_node


def insert_observations(dsn, values, *, first_at, station="wijk-aan-zee", observed_property="pm2_5", flags=0):
    """One value a second from `began` on."""
    enrol_node(dsn, station=station)
    with psycopg.connect(dsn, autocommit=True) as connection:
        (slot,) = connection.execute(
            "INSERT INTO datastream (station_id, node_id, property_id) VALUES (%s, 'ijm-001', %s) RETURNING id",
            [station, observed_property],
        ).fetchone()
        columns = "datastream_id, observed_at, value, flags, batch_id"
        with connection.cursor().copy(f"COPY observation ({columns}) FROM STDIN") as copy:
            for n, value in enumerate(values):
                copy.write_row((slot, first_at + timedelta(seconds=n), value, flags, 1))
