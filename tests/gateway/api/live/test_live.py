"""The live feed: resumed without loss, bounded for the slow, ended in order."""

import asyncio
import json
import socket
import time
from datetime import UTC, datetime

import httpx
import pytest
from msgspec.structs import replace
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from gateway.api.data.latest_values import MinuteWindow
from gateway.api.live.frames import Backlog, LiveUpdate
from gateway.api.live.sequencer import Sequencer
from gateway.api.schemas.events import build_live_event
from gateway.api.schemas.observations import build_live_value
from gateway.api.telemetry import VIEWERS
from gateway.live.message import LiveEvent, LiveMessage, LiveObservation
from gateway.model.event import Event, EventChange
from gateway.mqtt.settings import create_client as mqtt
from tests.gateway.api.conftest import running_api

AT = datetime(2026, 11, 21, 16, tzinfo=UTC)


def message(number, value=1.0, *, area="ijmond", event=None):
    observation = LiveObservation(
        station="wijk-aan-zee", observed_property="pm2_5", observed_at=AT, value=value, flags=0
    )
    events = [] if event is None else [LiveEvent(event=event, area=area, severity="minor", unit="ug/m3")]
    return LiveMessage(id=number, area=area, committed_at=AT, observations=[observation], events=events)


def event(revision=1):
    return Event(
        id="abc", revision=revision, change=EventChange.OPENED, datastream=0, station="wijk-aan-zee",
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
    async with running_api(database, broker) as (api, _), api.stream("GET", "/api/v1/live") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        await publish(broker, message(1, 12.5, event=event()))
        first, second = await frames(answer, 2)
    assert first[:2] == ("event", 0)  # only with its last frame a commit is seen
    assert first[2]["excess"] == 8.0
    assert second[:2] == ("observation", 1)
    assert second[2][0]["value"] == 12.5


async def test_a_viewer_comes_back_and_misses_nothing(database, broker):
    async with running_api(database, broker) as (api, _):
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
    async with running_api(database, broker) as (api, _):
        await publish(broker, message(100))
        await asyncio.sleep(0.3)
        async with api.stream("GET", "/api/v1/live", headers={"Last-Event-ID": "7"}) as answer:
            assert (await frames(answer, 1))[0][0] == "stale"


async def test_a_viewer_of_one_area_sees_no_other(database, broker):
    async with running_api(database, broker) as (api, _), api.stream("GET", "/api/v1/live?area=chemelot") as answer:
        elsewhere = message(2, 5.0, area="chemelot")
        elsewhere = replace(elsewhere, observations=[replace(elsewhere.observations[0], station="geleen")])
        await publish(broker, message(1), elsewhere)
        (name, number, (value,)) = (await frames(answer, 1))[0]
    assert (name, number) == ("observation", 2)
    assert value["observedAt"] == "2026-11-21T16:00:00.000Z"
    assert (value["value"], value["mean"], value["validCount"], value["flags"]) == (5.0, 5.0, 1, [])


async def test_a_quiet_stream_gives_a_sign_of_life_and_ends_with_its_lease(database, broker):
    async with running_api(database, broker, heartbeat_seconds=0.1, stream_seconds=0.5) as (api, _):
        began = time.monotonic()
        text = (await api.get("/api/v1/live")).text
    assert text.count(": here") >= 2
    assert time.monotonic() - began < 3


async def test_streams_are_ended_when_the_process_stops_and_no_place_leaks(database, broker):
    async with running_api(database, broker) as (api, task):
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
        running_api(database, broker, max_viewers=1) as (api, _),
        api.stream("GET", "/api/v1/live"),
        httpx.AsyncClient(base_url=api.base_url) as other,
    ):
        refused = await other.get("/api/v1/live")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "60")


async def test_a_viewer_of_one_station_and_property_sees_no_other(database, broker):
    async with (
        running_api(database, broker) as (api, _),
        api.stream("GET", "/api/v1/live?station=heemskerk&property=pm10") as answer,
    ):
        there = message(2)
        there = replace(there, observations=[replace(there.observations[0], station="heemskerk")])
        wanted = replace(there, id=3, observations=[replace(there.observations[0], observed_property="pm10")])
        await publish(broker, message(1), there, wanted)
        assert (await frames(answer, 1))[0][:2] == ("observation", 3)


def test_unread_values_are_replaced_and_unread_events_never():
    unread = Backlog()
    for number in range(1, 101):
        assert unread.add(news(number))
    stale, found = unread.drain()
    assert not stale
    assert [one.value for one in found.values] == [100.0]
    assert [one.revision for one in found.events] == list(range(1, 101))
    assert found.id == 100


def test_a_viewer_that_leaves_too_many_events_unread_is_cut():
    unread = Backlog()
    assert [unread.add(news(number)) for number in range(1, 600)].count(False) > 0


def news(number):
    minute = MinuteWindow("ug/m3", message(number, float(number)).observations[0].readings()).minute
    live = message(number, event=event(number)).events[0]
    found = build_live_event(live, "Wijk aan Zee", AT, "Piekwacht")
    return LiveUpdate(
        id=number, area="ijmond", values=[build_live_value("wijk-aan-zee", "pm2_5", minute)], events=[found]
    )


def test_messages_are_shown_in_the_order_of_their_commits():
    sequencer = Sequencer(hold=0.5)
    assert ids(sequencer.add(message(1), 0)) == [1]
    assert ids(sequencer.add(message(3), 0)) == []
    assert ids(sequencer.add(message(4), 0.1)) == []
    assert ids(sequencer.add(message(2), 0.2)) == [2, 3, 4]
    assert sequencer.due is None


def test_a_message_that_never_comes_is_given_up_and_said():
    sequencer = Sequencer(hold=0.5)
    sequencer.add(message(1), 0)
    sequencer.add(message(3), 0)
    assert ids(sequencer.release_overdue(0.4)) == []
    released = sequencer.release_overdue(0.6)
    assert (ids(released), released.lost) == ([3], True)
    assert ids(sequencer.add(message(2), 0.7)) == [2]  # late is better than never


def ids(released):
    return [one.id for one in released.messages]


async def test_what_was_missed_by_the_feed_itself_makes_it_stale(database, broker):
    async with running_api(database, broker) as (api, _), api.stream("GET", "/api/v1/live") as answer:
        await publish(broker, message(1), message(3))
        found = await frames(answer, 3)
    assert [one[0] for one in found] == ["observation", "stale", "observation"]


async def test_one_address_has_only_its_part_of_the_house(database, broker):
    async with (
        running_api(database, broker, max_viewers_per_address=1) as (api, _),
        api.stream("GET", "/api/v1/live"),
        httpx.AsyncClient(base_url=api.base_url) as other,
    ):
        assert (await other.get("/api/v1/live")).status_code == 503
        async with other.stream("GET", "/api/v1/live", headers={"X-Forwarded-For": "192.0.2.7"}) as elsewhere:
            assert elsewhere.status_code == 200


async def test_a_websocket_says_the_same_and_resumes(database, broker):
    async with running_api(database, broker) as (api, _):
        address = str(api.base_url).replace("http", "ws") + "/api/v1/live"
        async with connect(address) as door:
            await publish(broker, message(1, 12.5, event=event()))
            first, second = json.loads(await door.recv()), json.loads(await door.recv())
            assert (first["event"], first["data"]["excess"]) == ("event", 8.0)
            assert (second["id"], second["event"], second["data"][0]["value"]) == (1, "observation", 12.5)
        await publish(broker, message(2, event=event(2)))
        await asyncio.sleep(0.3)
        async with connect(f"{address}?lastEventId=1") as door:
            assert json.loads(await door.recv())["data"]["revision"] == 2
        async with connect(f"{address}?colour=red") as door:
            with pytest.raises(ConnectionClosed, match="colour"):
                await door.recv()


async def test_a_quiet_websocket_gives_a_sign_of_life_and_ends_with_its_lease(database, broker):
    async with (
        running_api(database, broker, heartbeat_seconds=0.1, stream_seconds=0.5) as (api, _),
        connect(str(api.base_url).replace("http", "ws") + "/api/v1/live") as door,
    ):
        said = [json.loads(text)["event"] async for text in door]
    assert said.count("here") >= 2


async def test_a_reader_that_stops_reading_is_cut_and_its_place_is_free(database, broker, monkeypatch):
    monkeypatch.setattr("gateway.api.live.subscribers.STALL_TIMEOUT", 0.3)
    async with running_api(database, broker) as (api, _):
        frozen = socket.create_connection((api.base_url.host, api.base_url.port))
        frozen.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        frozen.sendall(b"GET /api/v1/live HTTP/1.1\r\nHost: here\r\n\r\n")
        await until(lambda: VIEWERS._value.get() == 1)
        wide = [
            LiveObservation(station=f"s{i}", observed_property="pm2_5", observed_at=AT, value=1.0, flags=0)
            for i in range(500)
        ]
        async with mqtt(broker, "a-gateway") as connection:
            for number in range(1, 60):
                await connection.publish("pw/v1/ijmond/live", replace(message(number), observations=wide).encode())
        await until(lambda: VIEWERS._value.get() == 0)
        frozen.close()


async def until(condition, within=10.0):
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.02)
