"""The live feed: resumes without loss, limits slow viewers, and closes its streams."""

import asyncio
import dataclasses
import json
import socket
import time
from datetime import UTC, datetime

import httpx
import pytest
from msgspec.structs import replace
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from gateway.access.settings import AccessSettings
from gateway.api.data.database import Database
from gateway.api.data.latest_values import LatestValues
from gateway.api.data.minute_window import MinuteWindow
from gateway.api.live.frames import Backlog, LiveUpdate, Subscription
from gateway.api.live.hub import Hub
from gateway.api.live.sequencer import Sequencer
from gateway.api.schemas.events import build_live_event
from gateway.api.schemas.observations import build_live_value
from gateway.api.settings import ApiSettings
from gateway.api.telemetry import VIEWERS
from gateway.live.message import LiveEvent, LiveMessage, LiveObservation
from gateway.model.event import Event, EventChange
from gateway.mqtt.client import create_client as mqtt
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


async def frames(response, count, within=5.0):
    """(event, id, data) of the next `count` frames, without comments and `retry`."""
    received, frame = [], {}
    async with asyncio.timeout(within):
        async for line in response.aiter_lines():
            if line:
                name, _, value = line.partition(":")
                frame[name] = value.strip()
            elif "event" in frame:
                received.append((frame["event"], int(frame.get("id", 0)), json.loads(frame["data"])))
                frame = {}
                if len(received) == count:
                    return received
            else:
                frame = {}
    return received


async def publish(broker, *messages):
    async with mqtt(broker, "a-gateway") as connection:
        for live_message in messages:
            await connection.publish(f"pw/v1/{live_message.area}/live", live_message.encode())


async def test_a_viewer_gets_values_and_events_as_they_are_published(database, broker):
    async with running_api(database, broker) as (api, _), api.stream("GET", "/api/v1/live") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-store"
        await publish(broker, message(1, 12.5, event=event()))
        first, second = await frames(response, 2)
    assert first[:2] == ("event", 0)  # only the last frame has the id of the commit
    assert first[2]["excess"] == 8.0
    assert second[:2] == ("observation", 1)
    assert second[2][0]["value"] == 12.5


async def test_a_returning_viewer_misses_nothing(database, broker):
    async with running_api(database, broker) as (api, _):
        async with api.stream("GET", "/api/v1/live") as response:
            await publish(broker, message(1), message(2, event=event(1)))
            await frames(response, 2)
        await publish(broker, message(3, event=event(2)), message(4, event=event(3)))
        await asyncio.sleep(0.3)
        async with api.stream("GET", "/api/v1/live", headers={"Last-Event-ID": "2"}) as response:
            received = await frames(response, 3)
    assert [frame[2]["revision"] for frame in received if frame[0] == "event"] == [2, 3]
    assert "stale" not in {frame[0] for frame in received}


async def test_a_viewer_that_was_away_too_long_gets_stale(database, broker):
    async with running_api(database, broker) as (api, _):
        await publish(broker, message(100))
        await asyncio.sleep(0.3)
        async with api.stream("GET", "/api/v1/live", headers={"Last-Event-ID": "7"}) as response:
            assert (await frames(response, 1))[0][0] == "stale"


async def test_a_viewer_of_one_area_gets_no_other(database, broker):
    async with running_api(database, broker) as (api, _), api.stream("GET", "/api/v1/live?area=chemelot") as response:
        elsewhere = message(2, 5.0, area="chemelot")
        elsewhere = replace(elsewhere, observations=[replace(elsewhere.observations[0], station="geleen")])
        await publish(broker, message(1), elsewhere)
        (name, number, (value,)) = (await frames(response, 1))[0]
    assert (name, number) == ("observation", 2)
    assert value["observedAt"] == "2026-11-21T16:00:00.000Z"
    assert (value["value"], value["mean"], value["validCount"], value["flags"]) == (5.0, 5.0, 1, [])


async def test_an_idle_stream_gets_heartbeats_and_is_closed_in_time(database, broker):
    async with running_api(database, broker, heartbeat_seconds=0.1, stream_seconds=0.5) as (api, _):
        started_at = time.monotonic()
        text = (await api.get("/api/v1/live")).text
    assert text.count(": here") >= 2
    assert time.monotonic() - started_at < 3


async def test_streams_are_closed_when_the_process_stops_and_no_viewer_leaks(database, broker):
    async with running_api(database, broker) as (api, task):
        streams = [asyncio.create_task(api.get("/api/v1/live")) for _ in range(20)]
        async with asyncio.timeout(5):
            while VIEWERS._value.get() < 20:
                await asyncio.sleep(0.02)
        started_at = time.monotonic()
        task.cancel()
        await asyncio.wait(streams, timeout=5)
        assert time.monotonic() - started_at < 5
        assert all(stream.done() for stream in streams)
    assert VIEWERS._value.get() == 0


async def test_too_many_viewers_get_503(database, broker):
    async with (
        running_api(database, broker, max_viewers=1) as (api, _),
        api.stream("GET", "/api/v1/live"),
        httpx.AsyncClient(base_url=api.base_url, verify=False) as other,
    ):
        refused = await other.get("/api/v1/live")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "60")


async def test_a_viewer_of_one_station_and_property_gets_no_other(database, broker):
    async with (
        running_api(database, broker) as (api, _),
        api.stream("GET", "/api/v1/live?station=heemskerk&property=pm10") as response,
    ):
        heemskerk = message(2)
        heemskerk = replace(heemskerk, observations=[replace(heemskerk.observations[0], station="heemskerk")])
        pm10 = replace(heemskerk, id=3, observations=[replace(heemskerk.observations[0], observed_property="pm10")])
        await publish(broker, message(1), heemskerk, pm10)
        assert (await frames(response, 1))[0][:2] == ("observation", 3)


def test_unread_values_are_replaced_and_unread_events_never():
    backlog = Backlog()
    for number in range(1, 101):
        assert backlog.add(make_update(number))
    stale, update = backlog.drain()
    assert not stale
    assert [value.value for value in update.values] == [100.0]
    assert [item.revision for item in update.events] == list(range(1, 101))
    assert update.id == 100


def test_a_viewer_with_too_many_unread_events_is_disconnected():
    backlog = Backlog()
    assert [backlog.add(make_update(number)) for number in range(1, 600)].count(False) > 0


def make_update(number):
    minute = MinuteWindow("ug/m3", message(number, float(number)).observations[0].readings()).minute
    live = message(number, event=event(number)).events[0]
    live_event = build_live_event(live, "Wijk aan Zee", AT, "Piekwacht")
    return LiveUpdate(
        id=number, area="ijmond", values=[build_live_value("wijk-aan-zee", "pm2_5", minute)], events=[live_event]
    )


def test_messages_are_released_in_the_order_of_their_commits():
    sequencer = Sequencer(hold=0.5)
    assert message_ids(sequencer.add(message(1), 0)) == [1]
    assert message_ids(sequencer.add(message(3), 0)) == []
    assert message_ids(sequencer.add(message(4), 0.1)) == []
    assert message_ids(sequencer.add(message(2), 0.2)) == [2, 3, 4]
    assert sequencer.due is None


def test_a_missing_message_is_given_up_and_reported_as_lost():
    sequencer = Sequencer(hold=0.5)
    sequencer.add(message(1), 0)
    sequencer.add(message(3), 0)
    assert message_ids(sequencer.release_overdue(0.4)) == []
    released = sequencer.release_overdue(0.6)
    assert (message_ids(released), released.lost) == ([3], True)
    assert message_ids(sequencer.add(message(2), 0.7)) == [2]  # released late


def message_ids(released):
    return [item.id for item in released.messages]


async def test_a_message_lost_by_the_feed_makes_viewers_stale(database, broker):
    async with running_api(database, broker) as (api, _), api.stream("GET", "/api/v1/live") as response:
        await publish(broker, message(1), message(3))
        received = await frames(response, 3)
    assert [frame[0] for frame in received] == ["observation", "stale", "observation"]


async def test_the_viewers_of_one_address_are_limited(database, broker):
    async with (
        running_api(database, broker, max_viewers_per_address=1) as (api, _),
        api.stream("GET", "/api/v1/live"),
        httpx.AsyncClient(base_url=api.base_url, verify=False) as other,
    ):
        assert (await other.get("/api/v1/live")).status_code == 503
        async with other.stream("GET", "/api/v1/live", headers={"X-Forwarded-For": "192.0.2.7"}) as elsewhere:
            assert elsewhere.status_code == 200


async def test_a_websocket_gets_the_same_updates_and_resumes(database, broker):
    async with running_api(database, broker) as (api, _):
        address = str(api.base_url).replace("http", "ws") + "/api/v1/live"
        async with connect(address) as websocket:
            await publish(broker, message(1, 12.5, event=event()))
            first, second = json.loads(await websocket.recv()), json.loads(await websocket.recv())
            assert (first["event"], first["data"]["excess"]) == ("event", 8.0)
            assert (second["id"], second["event"], second["data"][0]["value"]) == (1, "observation", 12.5)
        await publish(broker, message(2, event=event(2)))
        await asyncio.sleep(0.3)
        async with connect(f"{address}?lastEventId=1") as websocket:
            assert json.loads(await websocket.recv())["data"]["revision"] == 2
        async with connect(f"{address}?colour=red") as websocket:
            with pytest.raises(ConnectionClosed, match="colour"):
                await websocket.recv()


async def test_an_idle_websocket_gets_heartbeats_and_is_closed_in_time(database, broker):
    async with (
        running_api(database, broker, heartbeat_seconds=0.1, stream_seconds=0.5) as (api, _),
        connect(str(api.base_url).replace("http", "ws") + "/api/v1/live") as websocket,
    ):
        event_names = [json.loads(text)["event"] async for text in websocket]
    assert event_names.count("here") >= 2


async def test_a_viewer_that_stops_reading_is_disconnected(database, broker, monkeypatch):
    monkeypatch.setattr("gateway.api.live.subscribers.STALL_TIMEOUT", 0.3)
    async with running_api(database, broker) as (api, _):
        frozen = socket.create_connection((api.base_url.host, api.base_url.port))
        frozen.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        frozen.sendall(b"GET /api/v1/live HTTP/1.1\r\nHost: here\r\n\r\n")
        await until(lambda: VIEWERS._value.get() == 1)
        observations = [
            LiveObservation(station=f"s{i}", observed_property="pm2_5", observed_at=AT, value=1.0, flags=0)
            for i in range(500)
        ]
        async with mqtt(broker, "a-gateway") as connection:
            for number in range(1, 60):
                await connection.publish(
                    "pw/v1/ijmond/live", replace(message(number), observations=observations).encode()
                )
        await until(lambda: VIEWERS._value.get() == 0)
        frozen.close()


async def test_streams_and_requests_of_one_address_draw_on_the_same_rate_limit(database, broker):
    settings = {"access": AccessSettings(requests_per_minute=20)}
    burst = {"X-Forwarded-For": "2001:db8:0:1::9"}
    async with running_api(database, broker, heartbeat_seconds=0.05, stream_seconds=0.1, **settings) as (api, _):
        answers = await asyncio.gather(*(api.get("/api/v1/live", headers=burst) for _ in range(60)))
        assert sorted({answer.status_code for answer in answers}) == [200, 429]
        assert 20 <= sum(answer.status_code == 200 for answer in answers) <= 25
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert int(refused.headers["retry-after"]) >= 1
        neighbour = {"X-Forwarded-For": "2001:db8:0:1::ffff"}
        assert (await api.get("/api/v1/stations", headers=neighbour)).status_code == 429, "the /64 is one client"
        async with connect(
            str(api.base_url).replace("http", "ws") + "/api/v1/live", additional_headers=burst
        ) as websocket:
            with pytest.raises(ConnectionClosed, match="too many live streams"):
                await websocket.recv()
        other = {"X-Forwarded-For": "2001:db8:0:2::9"}
        assert (await api.get("/api/v1/live", headers=other)).status_code == 200


async def test_the_streams_that_open_in_a_minute_are_limited_in_all(database, broker):
    async with running_api(database, broker, max_viewers=10, heartbeat_seconds=0.05, stream_seconds=0.1) as (api, _):
        statuses = []
        for number in range(20):
            headers = {"X-Forwarded-For": f"198.51.100.{number}"}
            statuses.append((await api.get("/api/v1/live", headers=headers)).status_code)
    assert statuses[:10] == [200] * 10
    assert 503 in statuses[10:]


def make_hub(stations):
    """A hub that saw `stations` values, each in a commit of its own."""
    hub = Hub(ApiSettings(), LatestValues(Database("")))
    hub.begin(0)
    for number in range(1, stations + 1):
        observation = replace(message(number).observations[0], station=f"s{number}")
        hub.publish(replace(message(number), observations=[observation]))
    return hub


def test_a_replay_over_its_limit_is_stale_and_one_at_the_limit_is_complete():
    hub = make_hub(1_000)
    full, over = hub.find_replay(Subscription(), 500), hub.find_replay(Subscription(), 499)
    assert (full.stale, len(full.update.values)) == (False, 500)
    assert (over.stale, len(over.update.values)) == (True, 0)
    assert over.sse.startswith(b"id: 1000\nevent: stale\n")
    one_station = hub.find_replay(Subscription(station="s7"), 0)
    assert make_hub(3_000).find_replay(Subscription(station="s7"), 0).stale, "the search is bounded too"
    assert [value.station for value in one_station.update.values] == ["s7"]


def test_a_replay_is_encoded_once_and_the_number_of_stored_replays_is_bounded():
    hub = make_hub(100)
    assert hub.find_replay(Subscription(), 50).sse is hub.find_replay(Subscription(), 50).sse
    for last_id in range(100):
        hub.find_replay(Subscription(), last_id)
    assert len(hub._replays) <= 16
    hub.publish(message(101))
    assert hub.find_replay(Subscription(), 100).update.values[0].station == "wijk-aan-zee", "a commit ends their use"


def test_old_ids_of_many_viewers_cost_little_at_ten_thousand_stations():
    hub = make_hub(10_000)
    started_at = time.process_time()
    for last_id in range(100):
        for subscription in (Subscription(), Subscription(station="nowhere"), Subscription(area="ijmond")):
            hub.find_replay(subscription, last_id).sse  # noqa: B018 - encodes
    assert (time.process_time() - started_at) / 300 < 0.005


def test_the_unread_values_of_a_slow_viewer_are_bounded():
    backlog = Backlog()
    for number in range(1_000):
        update = make_update(number)
        value = replace(update.values[0], station=f"s{number}")
        assert backlog.add(dataclasses.replace(update, values=[value], events=[]))
    stale, update = backlog.drain()
    assert stale
    assert len(update.values) <= 250


async def until(condition, within=10.0):
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.02)
