"""A live message of which one part cannot be read costs that station alone, and its viewers are told."""

import json
from datetime import timedelta

import psycopg
import pytest
from msgspec.structs import replace
from websockets.asyncio.client import connect

from gateway.live.message import RecentReadings
from tests.gateway.api.conftest import running_api
from tests.gateway.api.live.test_live import AT, event, frames, message, publish
from tests.gateway.enrolled_node import enrol_node

TOO_LATE = RecentReadings(dt=[-(10**17)], values=[5.0])  # a time that no calendar has


def damaged(number, **fields):
    """A message of two stations; the values of `geleen` have an impossible time."""
    whole = message(number, **fields)
    (observation,) = whole.observations
    broken = replace(observation, station="geleen", recent=TOO_LATE)
    return replace(whole, observations=[broken, observation])


async def test_the_others_get_their_values_and_the_station_is_named(database, broker):
    async with running_api(database, broker) as (api, _), api.stream("GET", "/api/v1/live") as response:
        second = message(2, 3.0)
        later = [replace(second.observations[0], observed_at=AT + timedelta(seconds=1))]
        await publish(broker, damaged(1), replace(second, observations=later))
        marker, values, newer = await frames(response, 3)
    assert (marker[0], marker[2]) == ("not_read", {"station": "geleen"})
    assert (values[0], [value["station"] for value in values[2]]) == ("observation", ["wijk-aan-zee"])
    assert newer[2][0]["value"] == 3.0


async def test_a_websocket_gets_the_same_frames(database, broker):
    async with (
        running_api(database, broker) as (api, _),
        connect(f"ws://{api.base_url.host}:{api.base_url.port}/api/v1/live") as socket,
    ):
        await publish(broker, damaged(1))
        received = [json.loads(await socket.recv()) for _ in range(2)]
    assert [(frame["event"], frame["id"]) for frame in received] == [("not_read", 0), ("observation", 1)]


@pytest.mark.parametrize(
    ("query", "names"), [("station=geleen", ["not_read"]), ("station=wijk-aan-zee", ["observation"])]
)
async def test_a_viewer_of_one_station_is_told_of_that_station_only(database, broker, query, names):
    async with running_api(database, broker) as (api, _), api.stream("GET", f"/api/v1/live?{query}") as response:
        await publish(broker, damaged(1))
        assert [frame[0] for frame in await frames(response, 1)] == names


async def test_whoever_resumes_from_before_reads_everything_again(database, broker):
    async with running_api(database, broker) as (api, _):
        async with api.stream("GET", "/api/v1/live") as response:
            await publish(broker, message(1), damaged(2, event=event()))
            await frames(response, 4)
        async with api.stream("GET", "/api/v1/live", headers={"Last-Event-ID": "1"}) as response:
            assert (await frames(response, 1))[0][0] == "stale"


async def test_the_next_answer_has_the_values_of_the_database(database, broker):
    """What the message broke in memory is loaded again."""
    enrol_node(database)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            """INSERT INTO station (id, area_id, name, latitude, longitude)
               SELECT 'geleen', area_id, 'Geleen', latitude, longitude FROM station"""
        )
    async with running_api(database, broker) as (api, _):
        await api.get("/api/v1/stations/geleen")
        async with api.stream("GET", "/api/v1/live") as response:
            await publish(broker, damaged(1))
            await frames(response, 2)
        response = await api.get("/api/v1/stations/geleen")
    assert (response.status_code, response.json()["properties"]["newest"]) == (200, {})
