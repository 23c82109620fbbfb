"""Preliminary marks on the live feed: a viewer always has all that hold, and no other way out has any."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace
from websockets.asyncio.client import connect

from gateway.api.data.database import Database
from gateway.api.data.latest_values import LatestValues
from gateway.api.live.frames import Backlog, LiveUpdate, Subscription
from gateway.api.live.hub import Hub
from gateway.api.schemas.preliminary import build_preliminary_peak
from gateway.api.settings import ApiSettings
from gateway.live.message import LiveMark, decode_live_message
from tests.gateway.api.conftest import running_api
from tests.gateway.api.faces import FACES, STATION, WITHOUT_VALUES
from tests.gateway.api.live.test_live import event, message, publish
from tests.gateway.enrolled_node import enrol_node

LIVE_PATH = "/api/v1/live"


def mark(station=STATION, *, observed_property="pm2_5", confidence=0.4, seconds=60.0, excess=3.5):
    """A mark that ends by itself in so many seconds."""
    now = datetime.now(UTC).replace(microsecond=0)
    return LiveMark(
        station=station, observed_property=observed_property, unit="ug/m3", since=now, observed_at=now,
        excess=excess, confidence=confidence, expires_at=now + timedelta(seconds=seconds),
    )  # fmt: skip


def with_marks(number, *marks, **fields):
    return replace(message(number, **fields), marks=list(marks))


def stations_of(frame):
    return [item["station"] for item in frame[2]]


class FrameReader:
    """Reads one stream more than once, which `httpx` does not."""

    def __init__(self, response):
        self._lines = response.aiter_lines()

    async def read(self, count, *, kind=None, within=10.0):
        """(event, id, data) of the next frames; with `kind` only those of this name."""
        received, frame = [], {}
        async with asyncio.timeout(within):
            async for line in self._lines:
                if line:
                    name, _, value = line.partition(":")
                    frame[name] = value.strip()
                    continue
                if frame.get("event") and kind in {None, frame["event"]}:
                    received.append((frame["event"], int(frame.get("id", 0)), json.loads(frame["data"])))
                frame = {}
                if len(received) == count:
                    return received
        raise AssertionError(f"the stream ended after {received}")

    async def read_marks(self, count=1):
        return await self.read(count, kind="preliminary")


@asynccontextmanager
async def open_stream(api, path="/api/v1/live", **options):
    async with api.stream("GET", path, **options) as response:
        yield FrameReader(response)


def test_a_message_without_marks_says_nothing_of_them_and_older_messages_are_read():
    assert b"marks" not in message(1).encode()
    assert decode_live_message(message(1).encode()).marks is None
    assert decode_live_message(with_marks(1).encode()).marks == []
    marked = with_marks(1, mark())
    assert decode_live_message(marked.encode()) == marked


async def test_a_viewer_has_all_marks_that_hold_after_each_message(database, broker):
    async with running_api(database, broker) as (api, _), open_stream(api) as stream:
        await publish(broker, with_marks(1, mark(), mark("heemskerk")))
        first, second = await stream.read(2)
        assert (first[0], second[:2]) == ("observation", ("preliminary", 0)), "marks are no part of the commit"
        assert stations_of(second) == [STATION, "heemskerk"]
        shown = second[2][0]
        assert (shown["confidence"], shown["excess"], shown["unit"], shown["area"]) == (0.4, 3.5, "ug/m3", "ijmond")
        await publish(broker, message(2), with_marks(3, mark("heemskerk")), with_marks(4))
        assert [stations_of(frame) for frame in await stream.read_marks(2)] == [["heemskerk"], []]


async def test_a_confirmed_mark_is_gone_when_its_event_comes(database, broker):
    async with running_api(database, broker) as (api, _), open_stream(api) as stream:
        await publish(broker, with_marks(1, mark()))
        await stream.read_marks(1)
        await publish(broker, with_marks(2, event=event()))
        assert [frame[0] for frame in await stream.read(3)] == ["event", "observation", "preliminary"]


async def test_a_new_and_a_returning_viewer_get_the_present_marks_and_no_former_ones(database, broker):
    async with running_api(database, broker) as (api, _):
        async with open_stream(api) as stream:
            await publish(broker, with_marks(1, mark(), mark("heemskerk")))
            await stream.read_marks(1)
        await publish(broker, with_marks(2, mark("heemskerk")))
        await asyncio.sleep(0.3)
        for headers in ({}, {"Last-Event-ID": "1"}, {"Last-Event-ID": "2"}):
            async with open_stream(api, headers=headers) as stream:
                (frame,) = await stream.read_marks(1)
                assert stations_of(frame) == ["heemskerk"]
        await publish(broker, with_marks(3))
        await asyncio.sleep(0.3)
        async with open_stream(api, headers={"Last-Event-ID": "2"}) as stream:
            await publish(broker, message(4))
            assert "preliminary" not in [frame[0] for frame in await stream.read(2)]


@pytest.mark.parametrize(
    "query", ["area=chemelot", "station=heemskerk", "property=pm10"], ids=["area", "station", "property"]
)
async def test_a_viewer_gets_only_the_marks_that_it_asked_for(database, broker, query):
    async with running_api(database, broker) as (api, _), open_stream(api, f"/api/v1/live?{query}") as stream:
        await publish(broker, with_marks(1, mark()))
        other = mark("heemskerk", observed_property="pm10")
        elsewhere = replace(with_marks(2, other), area="chemelot") if "area" in query else with_marks(2, other)
        await publish(broker, elsewhere, with_marks(3, mark(confidence=0.9), other))
        (frame,) = await stream.read_marks(1)
        assert stations_of(frame) == ["heemskerk"]


async def test_a_mark_that_no_message_confirms_ends_by_itself(database, broker):
    async with running_api(database, broker) as (api, _), open_stream(api) as stream:
        await publish(broker, with_marks(1, mark(seconds=1.5), mark("heemskerk")))
        received = await stream.read_marks(2)
        assert [stations_of(frame) for frame in received] == [[STATION, "heemskerk"], ["heemskerk"]]


async def test_after_a_lost_message_no_former_mark_is_shown(database, broker):
    async with running_api(database, broker) as (api, _), open_stream(api) as stream:
        await publish(broker, with_marks(1, mark()), message(3))
        names = [frame[0] for frame in await stream.read(4)]
        assert names == ["observation", "preliminary", "stale", "observation"]
        async with open_stream(api) as later:
            await publish(broker, message(4))
            assert (await later.read(1))[0][0] == "observation"
        await publish(broker, with_marks(5, mark()))
        (frame,) = await stream.read_marks(1)
        assert stations_of(frame) == [STATION]


async def test_a_websocket_gets_the_marks_too(database, broker):
    async with running_api(database, broker) as (api, _):
        address = str(api.base_url).replace("http", "ws") + "/api/v1/live"
        async with connect(address) as websocket:
            await publish(broker, with_marks(1, mark()))
            received = [json.loads(await websocket.recv()) for _ in range(2)]
            assert [frame["event"] for frame in received] == ["observation", "preliminary"]
            assert "id" not in received[1]
        async with connect(address) as websocket:
            assert json.loads(await websocket.recv())["data"][0]["station"] == STATION


def test_of_unread_marks_a_slow_viewer_gets_the_newest():
    backlog = Backlog()
    for number, station in enumerate(("s1", "s2"), 1):
        marks = (build_preliminary_peak(mark(station), "ijmond", station),)
        backlog.add(LiveUpdate(id=number, area="", values=[], events=[], marks=marks))
    backlog.add(LiveUpdate(id=3, area="ijmond", values=[], events=[]))
    _, update = backlog.drain()
    assert [item.station for item in update.marks] == ["s2"]
    assert backlog.drain()[1].marks is None


def test_equal_marks_are_sent_once():
    hub = Hub(ApiSettings(), LatestValues(Database("")))
    hub.begin(0)
    shown = mark()
    hub.publish(with_marks(1, shown))
    before = hub.find_replay(Subscription(), None).sse
    hub.publish(with_marks(2, shown))
    assert before
    assert hub.find_replay(Subscription(), None).sse == before


def list_paths():
    """Every address without a parameter, and every address of a measured value."""
    plain = {path for path in WITHOUT_VALUES if "{" not in path}
    return sorted((plain | {face.path for faces in FACES.values() for face in faces}) - {LIVE_PATH})


async def test_no_other_way_out_shows_a_mark(database, broker):
    """Every route of the application, while a mark with unmistakable numbers holds."""
    enrol_node(database)
    async with running_api(database, broker) as (api, _), open_stream(api, LIVE_PATH) as stream:
        await publish(broker, with_marks(1, mark(excess=987.625, confidence=0.4321)))
        (frame,) = await stream.read_marks(1)
        assert frame[2][0]["excess"] == 987.625
        names = {"station": STATION, "event": "abc", "plume": "abc", "datastream": 1}
        paths = list_paths()
        assert len(paths) > 60
        for path in paths:
            answer = await api.get(path.format_map(names))
            assert "987.6" not in answer.text, path
            assert "0.4321" not in answer.text, path
