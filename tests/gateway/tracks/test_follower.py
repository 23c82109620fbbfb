"""Mobile stations through the pipeline: tracks and cells come from signed batches only."""

from datetime import UTC, datetime

import numpy as np
import psycopg
import pytest

from gateway.errors import GatewayError
from gateway.model.mobile_station import MobileStation, Vehicle
from gateway.model.registry import Station
from gateway.store import stations
from gateway.tracks.follower import run_turn
from tests.gateway.tracks.rides import DAY_MS, build_payload, enrol_vehicle, ride_east


async def follow(dsn):
    """Run turns until nothing waits."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        while await run_turn(connection, ["*"]):
            pass


def fetch(dsn, query):
    with psycopg.connect(dsn) as connection:
        return connection.execute(query).fetchall()


TRACKS = "SELECT station_id, positions, round(metres) FROM track ORDER BY began_at"
PASSES = "SELECT track_id, property_id, north, east, readings, mean FROM cell_pass ORDER BY 2, 3, 4"


async def test_a_ride_in_batches_becomes_one_track_with_passes(database, node, pipeline):
    car = enrol_vehicle(database)
    ride = ride_east(600)
    for seq, start in enumerate(range(0, 600, 100), 1):
        part = ride[start : start + 100]
        await pipeline.process([build_payload(car, seq, part, np.full(100, 7.0))])
        await follow(database)
    assert fetch(database, TRACKS) == [("mobile-car-1", 600, 5990)]
    passes = fetch(database, PASSES)
    assert sum(row[4] for row in passes) == 600
    assert {row[5] for row in passes} == {7.0}
    await follow(database)
    assert fetch(database, PASSES) == passes


async def test_a_long_backlog_is_read_a_thousand_batches_at_a_time(database, node, pipeline):
    car, ride = enrol_vehicle(database), ride_east(1_500)
    payloads = [build_payload(car, number + 1, ride[number : number + 1], [7.0]) for number in range(1_500)]
    for start in range(0, 1_500, 250):
        await pipeline.process(payloads[start : start + 250])
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        assert await run_turn(connection, ["*"])
        assert fetch(database, TRACKS) == [("mobile-car-1", 1_000, 9_990)]
        assert not await run_turn(connection, ["*"])
    assert fetch(database, TRACKS) == [("mobile-car-1", 1_500, 14_990)]


async def test_order_of_arrival_does_not_change_tracks(database, node, pipeline):
    car, ride = enrol_vehicle(database), ride_east(600)
    parts = [(seq, ride[start : start + 100]) for seq, start in enumerate(range(0, 600, 100), 1)]
    for seq, part in reversed(parts):
        await pipeline.process([build_payload(car, seq, part, np.full(100, 7.0), hist=seq != 6)])
        await follow(database)
    assert fetch(database, TRACKS) == [("mobile-car-1", 600, 5990)]
    assert sum(row[4] for row in fetch(database, PASSES)) == 600


async def test_flagged_values_and_a_wrong_clock_count_in_no_cell(database, node, pipeline):
    car, ride = enrol_vehicle(database), ride_east(200)
    values = np.where(np.arange(200) % 2 == 0, 7.0, 5_000.0)  # beyond the range of PM2.5
    await pipeline.process([build_payload(car, 1, ride, values)])
    ahead = ride_east(100, start_ms=int(ride.times[-1]) + 3_600_000)
    wrong = {"clock": "unsynced", "received_at": datetime.fromtimestamp(int(ride.times[-1]) / 1000 + 9, UTC)}
    await pipeline.process([build_payload(car, 2, ahead, np.full(100, 7.0), **wrong)])
    await follow(database)
    assert fetch(database, "SELECT count(*)::int FROM track_position") == [(200,)]
    passes = fetch(database, PASSES)
    assert {row[5] for row in passes} == {7.0}
    assert sum(row[4] for row in passes) == 100


async def test_a_car_is_no_neighbour_opens_no_event_and_is_in_no_live_message(database, node, pipeline):
    """The same peak at a fixed station and in a car: one event without a neighbour, one station in messages."""
    car = enrol_vehicle(database)
    ride = ride_east(600, speed=0.01)
    values = 5.0 + 0.1 * (np.arange(600) % 3)
    values[400:430] += 80.0
    results = []
    for seq in range(60):
        rows = slice(seq * 10, seq * 10 + 10)
        part, chosen = ride[rows], values[rows]
        times = {"t0": int(part.times[0]), "dt": (part.times - part.times[0]).tolist()}
        received = {"received_at": datetime.fromtimestamp(int(part.times[-1]) / 1000 + 2, UTC)}
        fixed = node.payload(seq + 1, **times, **received, values={"pm2_5": chosen.tolist()})
        results.append(await pipeline.process([fixed, build_payload(car, seq + 1, part, chosen)]))
    events = fetch(database, "SELECT DISTINCT station_id FROM event WHERE kind = 'peak'")
    assert events == [("wijk-aan-zee",)]
    around = fetch(database, "SELECT around -> 'neighbours' FROM event WHERE kind = 'peak'")
    assert all(not (row[0] or {}).get("fresh") for row in around), around
    live = {item.station for result in results for message in result.live_messages for item in message.observations}
    assert live == {"wijk-aan-zee"}


async def test_positions_go_with_the_signed_bytes(database, node, pipeline):
    car = enrol_vehicle(database)
    await pipeline.process([build_payload(car, 1, ride_east(100), np.full(100, 7.0))])
    later = ride_east(100, start_ms=int(ride_east(1).times[0]) + DAY_MS)
    await pipeline.process([build_payload(car, 2, later, np.full(100, 7.0))])
    await follow(database)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE batch SET payload = '' WHERE node_id = 'car-1' AND seq = 1")
    assert fetch(database, "SELECT count(*)::int FROM track_position") == [(100,)]
    assert len(fetch(database, TRACKS)) == 1
    assert sum(row[4] for row in fetch(database, PASSES)) == 100


async def test_the_public_part_of_a_track_of_a_resident_is_shorter(database, node, pipeline):
    bicycle = enrol_vehicle(database, "bicycle-1", Vehicle.BICYCLE, exhaust=False, private=True)
    await pipeline.process([build_payload(bicycle, 1, ride_east(300, speed=5.0), np.full(300, 7.0))])
    short = ride_east(30, speed=5.0, start_ms=int(ride_east(1).times[0]) + DAY_MS)
    await pipeline.process([build_payload(bicycle, 2, short, np.full(30, 7.0))])
    await follow(database)
    rows = fetch(
        database, "SELECT shown_from - began_at > '40 s', ended_at - shown_until > '40 s' FROM track ORDER BY began_at"
    )
    assert rows == [(True, True), (None, None)]


def test_ids_of_the_two_kinds_are_never_mixed(database, node):
    place = Station(id="mobile-hut", area="ijmond", name="Hut", latitude=52.0, longitude=4.0)
    with psycopg.connect(database, autocommit=True) as connection:
        with pytest.raises(GatewayError, match=r"\[\[mobile\]\]"):
            stations.put_station(connection, place)
        moving = MobileStation(
            id="hut", area="ijmond", name="Hut", vehicle=Vehicle.CAR, has_exhaust=True, is_private=False
        )
        with pytest.raises(GatewayError, match="begins with mobile-"):
            stations.put_mobile_station(connection, moving)
