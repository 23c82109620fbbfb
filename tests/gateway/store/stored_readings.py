"""Readings written straight into the tables of an enrolled node's database, for tests of the queries that read them."""

from datetime import datetime, timedelta

INSERT_DATASTREAM = """INSERT INTO datastream (station_id, node_id, property_id)
    VALUES ('wijk-aan-zee', 'ijm-001', %s) ON CONFLICT (node_id, property_id, station_id) DO UPDATE
    SET property_id = excluded.property_id RETURNING id"""


def store_readings(connection, start: datetime, readings, *, step=1.0, observed_property="pm2_5") -> int:
    """Store (value, flags) pairs, `step` seconds apart; return the datastream's id."""
    ((id_,),) = connection.execute(INSERT_DATASTREAM, [observed_property]).fetchall()
    connection.execute(
        """INSERT INTO batch VALUES (1, 'ijm-001', 'aaaaaaaaaaaa', 1, '', '', 'boot', 0, 'synced', false, now(), now())
           ON CONFLICT DO NOTHING"""
    )
    times = [start + timedelta(seconds=i * step) for i in range(len(readings))]
    connection.execute(
        """INSERT INTO observation SELECT %s, t, v, f, 1
           FROM unnest(%s::timestamptz[], %s::float8[], %s::int[]) AS u(t, v, f)""",
        [id_, times, [value for value, _ in readings], [int(flags) for _, flags in readings]],
    )
    return id_
