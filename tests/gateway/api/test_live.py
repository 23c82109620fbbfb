"""The live feed: resumed without loss, bounded for the slow, ended in order."""

import asyncio
import json
import time
from datetime import UTC, datetime

import httpx

from gateway.api.hub import Hub
from gateway.api.telemetry import VIEWERS
from gateway.broker import client as mqtt
from gateway.event import Change, Event
from gateway.live import LiveEvent, LiveMessage, LiveObservation
from tests.gateway.api.conftest import serving

AT = datetime(2026, 11, 21, 16, tzinfo=UTC)


def message(number, value=1.0, *, area="ijmond", event=None):
    observation = LiveObservation(
        station="wijk-aan-zee", observed_property="pm2_5", observed_at=AT, value=value, flags=0
    )
    events = [] if event is None else [LiveEvent(event=event, area=area, severity="minor", unit="ug/m3")]
    return LiveMessage(id=number, area=area, committed_at=AT, observations=[observation], events=events)


def event(revision=1):
    return Event(
        id="abc", revision=revision, change=Change.OPENED, datastream=0, station="wijk-aan-zee",
        observed_property="pm2_5", onset=AT, peak_at=AT, detected_at=AT, peak=9.0, background=1.0, excess=8.0,
        noise=1.0, confidence=0.9, detector="d",
    )  # fmt: skip


async def frames(answer, count, within=5.0):
    """(event, id, data) of the next `count` frames; comments and retry are passed over."""
    found, frame = [], {}
    async with asyncio.timeout(within):
        async for line in answer.aiter_lines():
            if line:
                name, _, value = line.partition(":")
                frame[name] = value.strip()
            elif "event" in frame:
                found.append((frame["event"], int(frame.get("id", 0)), json.loads(frame["data"])))
                frame = {}
                if len(found) == count:
                    return found
            else:
                frame = {}
    return found


async def publish(broker, *messages):
    async with mqtt(broker, "a-gateway") as connection:
        for one in messages:
            await connection.publish(f"pw/v1/{one.area}/live", one.encode())


async def test_a_viewer_sees_values_and_events_as_they_come(database, broker):
    async with serving(database, broker) as (api, _), api.stream("GET", "/api/v1/live") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        await publish(broker, message(1, 12.5, event=event()))
        first, second = await frames(answer, 2)
    assert first[:2] == ("event", 1)
    assert first[2]["excess"] == 8.0
    assert second[:2] == ("observation", 1)
    assert second[2][0]["value"] == 12.5


async def test_a_viewer_comes_back_and_misses_nothing(database, broker):
    async with serving(database, broker) as (api, _):
        async with api.stream("GET", "/api/v1/live") as answer:
            await publish(broker, message(1), message(2, event=event(1)))
            await frames(answer, 2)
        await publish(broker, message(3, event=event(2)), message(4, event=event(3)))
        await asyncio.sleep(0.3)
        async with api.stream("GET", "/api/v1/live", headers={"Last-Event-ID": "2"}) as answer:
            found = await frames(answer, 3)
    assert [f[2]["revision"] for f in found if f[0] == "event"] == [2, 3]
    assert "stale" not in {f[0] for f in found}


async def test_a_viewer_that_was_away_too_long_is_told_so(database, broker):
    async with serving(database, broker) as (api, _):
        await publish(broker, message(100))
        await asyncio.sleep(0.3)
        async with api.stream("GET", "/api/v1/live", headers={"Last-Event-ID": "7"}) as answer:
            assert (await frames(answer, 1))[0][0] == "stale"


async def test_a_viewer_of_one_area_sees_no_other(database, broker):
    async with serving(database, broker) as (api, _), api.stream("GET", "/api/v1/live?area=chemelot") as answer:
        await publish(broker, message(1), message(2, 5.0, area="chemelot"))
        assert (await frames(answer, 1))[0][1:] == (
            2,
            [{"station": "wijk-aan-zee", "observedProperty": "pm2_5", "observedAt": "2026-11-21T16:00:00.000Z",
              "value": 5.0, "flags": [], "recent": []}],
        )  # fmt: skip


async def test_a_quiet_stream_gives_a_sign_of_life_and_ends_with_its_lease(database, broker):
    async with serving(database, broker, heartbeat=0.1, lease=0.5) as (api, _):
        began = time.monotonic()
        text = (await api.get("/api/v1/live")).text
    assert text.count(": here") >= 2
    assert time.monotonic() - began < 3


async def test_streams_are_ended_when_the_process_stops_and_no_place_leaks(database, broker):
    async with serving(database, broker) as (api, task):
        streams = [asyncio.create_task(api.get("/api/v1/live")) for _ in range(20)]
        async with asyncio.timeout(5):
            while VIEWERS._value.get() < 20:
                await asyncio.sleep(0.02)
        began = time.monotonic()
        task.cancel()
        await asyncio.wait(streams, timeout=5)
        assert time.monotonic() - began < 5
        assert all(stream.done() for stream in streams)
    assert VIEWERS._value.get() == 0


async def test_a_full_house_says_so(database, broker):
    async with (
        serving(database, broker, viewers=1) as (api, _),
        api.stream("GET", "/api/v1/live"),
        httpx.AsyncClient(base_url=api.base_url) as other,
    ):
        refused = await other.get("/api/v1/live")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "60")


def test_unread_observations_are_replaced_and_unread_events_never():
    hub = Hub(10)
    viewer = hub.join(None, None)
    for number in range(1, 101):
        hub.publish(message(number, float(number), event=event(number)))
    observations, events = viewer.take()
    assert [o.value for o in observations] == [100.0]
    assert [e.event.revision for e in events] == list(range(1, 101))


def test_a_viewer_that_leaves_too_many_events_unread_is_cut():
    hub = Hub(10)
    viewer = hub.join(None, None)
    for number in range(1, 1_000):
        hub.publish(message(number, event=event(number)))
    assert viewer.closed
