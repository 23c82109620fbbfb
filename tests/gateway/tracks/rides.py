"""Rides for tests: positions of a vehicle that moves east, and the signed batches that it sends."""

from datetime import UTC, datetime

import numpy as np
import psycopg

from edge_agent.wire import Signer
from gateway.model.geodesy import METRES_PER_DEGREE
from gateway.model.mobile_station import MobileStation, Vehicle
from gateway.model.registry import Node
from gateway.store import stations
from gateway.tracks.positions import Positions
from tests.gateway.enrolled_node import T0, EnrolledNode

DAY_MS = 86_400_000
LATITUDE, LONGITUDE = 52.48, 4.60


def ride_east(seconds=600, *, speed=10.0, start_ms=T0, north=0.0) -> Positions:
    """A position a second, from a fixed place to the east; `north` in metres."""
    metres = np.arange(seconds) * speed
    return Positions(
        times=start_ms + np.arange(seconds, dtype=np.int64) * 1000,
        latitude=np.full(seconds, LATITUDE + north / METRES_PER_DEGREE),
        longitude=LONGITUDE + metres / METRES_PER_DEGREE / np.cos(np.radians(LATITUDE)),
        altitude=np.full(seconds, 1.5),
    )


def enrol_vehicle(dsn, name="car-1", vehicle=Vehicle.CAR, *, exhaust=True, private=False) -> EnrolledNode:
    """Enrol a vehicle in an area that is enrolled already; its node has the same name."""
    signer = Signer.generate(name)
    with psycopg.connect(dsn, autocommit=True) as connection:
        station = MobileStation(
            id=f"mobile-{name}",
            area="ijmond",
            name=f"Vehicle {name}",
            vehicle=vehicle,
            has_exhaust=exhaust,
            is_private=private,
        )
        stations.put_mobile_station(connection, station)
        stations.put_node(connection, Node(id=name, area="ijmond", station=station.id, key=signer.verifier))
    return EnrolledNode(signer=signer)


def build_payload(node: EnrolledNode, seq: int, ride: Positions, values, **fields):
    """One signed batch of a whole ride with a value of PM2.5 at each position."""
    places = zip(ride.latitude.tolist(), ride.longitude.tolist(), ride.altitude.tolist(), strict=True)
    return node.payload(
        seq,
        t0=int(ride.times[0]),
        dt=(ride.times - ride.times[0]).tolist(),
        values={"pm2_5": [float(value) for value in values]},
        pos=list(places),
        **{"received_at": datetime.fromtimestamp(int(ride.times[-1]) / 1000 + 2, UTC), **fields},
    )
