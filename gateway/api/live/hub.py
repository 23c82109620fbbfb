"""The live hub: what comes over the broker, in the order of the commits, offered to every viewer.

Viewers that ask for the same (area, station, property) stand in one group, and a frame is rendered once for each
group. What a viewer missed is known without keeping old frames: of values only the newest matters, and the
hub knows in which commit each one changed last; of events the newest thousands are kept.
"""

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import replace

import aiomqtt
import msgspec

from gateway import telemetry
from gateway.api.data.latest_values import Board
from gateway.api.live.frames import News, Wish, sse
from gateway.api.live.sequencer import Released, Sequencer
from gateway.api.live.subscribers import Group, Viewer
from gateway.api.schemas.events import Event, live_event
from gateway.api.schemas.observations import LiveValue, live_value
from gateway.api.settings import ApiSettings
from gateway.api.telemetry import DROPPED, LIVE_AGE, VIEWERS
from gateway.live.message import LiveMessage, decode
from gateway.mqtt.settings import BrokerSettings, client

_LOG = logging.getLogger(__name__)
_EVENTS = 5_000
_PAUSE = 1.0
_AHEAD = 10_000  # commits another replica may be ahead of this one
STALE = b"event: stale\ndata: {}\n\n"


class Hub:
    """All viewers of this process, and what they may have missed."""

    def __init__(self, settings: ApiSettings, board: Board) -> None:
        self._settings, self.board = settings, board
        self._sequencer = Sequencer()
        self._changed: OrderedDict[tuple[str, str], tuple[int, str]] = OrderedDict()  # -> commit, area
        self._events: deque[tuple[int, Event]] = deque()
        self._since: int | None = None  # nothing before this commit is known
        self._groups: dict[Wish, Group] = {}
        self._count = 0
        self._of_address: dict[str, int] = {}
        self._replays: dict[tuple[Wish, int], bytes] = {}

    @property
    def seen(self) -> int:
        """The number of the newest commit that was taken in."""
        return self._sequencer.last or 0

    # --- what comes in ----------------------------------------------------------------------------

    async def listen(self, broker: BrokerSettings, identifier: str, committed: Callable[[], Awaitable[int]]) -> None:
        """Take in live messages until cancelled; the broker may come and go. `committed` asks the database."""
        while True:
            try:
                async with client(broker, identifier) as connection:
                    await connection.subscribe("pw/v1/+/live", qos=0)
                    self.begin(await committed())
                    async for message in connection.messages:
                        self._take_in(message.payload)
            except aiomqtt.MqttError as error:
                telemetry.FAILURES.labels("live").inc()
                _LOG.warning("broker %s is away: %s", broker, error)
                await asyncio.sleep(_PAUSE)

    def begin(self, committed: int) -> None:
        """We listen from this commit on; where others were made while we did not, viewers are told."""
        if self._since is None:
            self._since = committed
            self._sequencer.begin(committed)
        elif committed > self.seen:
            self._sequencer.begin(committed)
            self._lost(committed)

    def _take_in(self, payload: object) -> None:
        try:
            message = decode(payload if isinstance(payload, bytes) else b"")
        except (msgspec.MsgspecError, UnicodeDecodeError):
            DROPPED.labels("undecodable").inc()
            return
        self.publish(message)

    def publish(self, message: LiveMessage) -> None:
        """Show it to everybody, in its turn."""
        self._show(self._sequencer.take(message, time.monotonic()))

    def _show(self, released: Released) -> None:
        if released.messages and self._since is None:
            self._since = released.messages[0].id - 1
        if released.lost:
            self._lost(released.messages[0].id - 1)
        for message in released.messages:
            self._offer(self._noted(message), message)

    def _lost(self, number: int) -> None:
        """Something before this commit is missing: everybody should read again."""
        DROPPED.labels("lost").inc()
        self._since = number
        self._events.clear()
        self._replays.clear()
        self.board.distrust()
        for group in tuple(self._groups.values()):
            for viewer in tuple(group.viewers):
                viewer.offer(STALE, None)

    def _noted(self, message: LiveMessage) -> News:
        taken, stations = self.board.take(message), self.board.places.stations
        values = [live_value(one.station, one.observed_property, minute) for one, minute in taken]
        events = []
        for one in message.events:
            row = stations.get(one.event.station)
            name = one.event.station if row is None else row[2]
            events.append(live_event(one, name, message.committed_at, self._settings.operator))
        for value in values:
            key = value.station, value.observed_property
            self._changed[key] = message.id, message.area
            self._changed.move_to_end(key)
        self._events.extend((message.id, event) for event in events)
        while len(self._events) > _EVENTS:
            self._since = max(self._since or 0, self._events.popleft()[0])
        now = message.committed_at.timestamp()
        for observation in message.observations:
            LIVE_AGE.observe(max(0.0, now - observation.observed_at.timestamp()))
        return News(id=message.id, area=message.area, values=values, events=events)

    def _offer(self, news: News, message: LiveMessage) -> None:
        self._replays.clear()
        now = time.monotonic()
        for wish, group in tuple(self._groups.items()):
            wished = wish.of(news)
            if not wished:
                continue
            frame = sse(wished)
            group.written = now
            for viewer in tuple(group.viewers):
                if viewer.after < message.id:
                    viewer.offer(frame, wished)

    # --- who looks --------------------------------------------------------------------------------

    def join(self, viewer: Viewer, last_id: int | None) -> bool:
        """Let a viewer in that saw `last_id`; False where the house, or its address's part of it, is full."""
        here = self._of_address.get(viewer.address, 0)
        if self._count >= self._settings.viewers or here >= self._settings.viewers_per_address:
            DROPPED.labels("full").inc()
            return False
        self._groups.setdefault(viewer.wish, Group()).viewers.add(viewer)
        self._of_address[viewer.address] = here + 1
        self._count += 1
        VIEWERS.set(self._count)
        if last_id is not None:
            viewer.after = last_id if last_id <= self.seen + _AHEAD else 0
        return True

    def missed(self, wish: Wish, last_id: int | None) -> bytes:
        """As frames, rendered once for all who missed the same; `stale` where it is too long ago."""
        if last_id is None:
            return b""
        kept = self._replays.get((wish, last_id))
        if kept is None:
            stale, news = self.missed_news(wish, last_id)
            kept = self._replays[wish, last_id] = (STALE if stale else b"") + sse(news)
        return kept

    def missed_news(self, wish: Wish, last_id: int | None) -> tuple[bool, News]:
        """(whether it is too long ago, what was missed since)."""
        nothing = News(id=self.seen, area="", values=[], events=[])
        if last_id is None:
            return False, nothing
        if self._since is None or last_id < self._since or last_id > self.seen + _AHEAD:
            return True, nothing
        values = []
        for (station, name), (changed, area) in reversed(self._changed.items()):
            if changed <= last_id:
                break
            if wish.fits(area, station, name):
                values += self._value(station, name)
        events = [
            event for id_, event in self._events
            if id_ > last_id and wish.fits(event.area, event.station, event.observed_property)
        ]  # fmt: skip
        return False, replace(nothing, values=values, events=events)

    def _value(self, station: str, name: str) -> list[LiveValue]:
        if name not in self.board.windows.get(station, {}):
            return []
        return [live_value(station, name, self.board.minute(station, name))]

    def leave(self, viewer: Viewer) -> None:
        """Forget a viewer; twice is once."""
        group = self._groups.get(viewer.wish)
        if group is None or viewer not in group.viewers:
            return
        group.viewers.discard(viewer)
        if not group.viewers:
            del self._groups[viewer.wish]
        here = self._of_address.pop(viewer.address) - 1
        if here:
            self._of_address[viewer.address] = here
        self._count -= 1
        VIEWERS.set(self._count)

    async def keep_house(self) -> None:
        """Signs of life, ends of leases, cutting off those who do not read: until cancelled."""
        settings = self._settings
        pause = min(0.5, settings.heartbeat / 3, settings.lease / 3)
        while True:
            await asyncio.sleep(pause)
            now = time.monotonic()
            self._show(self._sequencer.expire(now))
            for group in tuple(self._groups.values()):
                quiet = now - group.written >= settings.heartbeat
                if quiet:
                    group.written = now
                for viewer in tuple(group.viewers):
                    viewer.tended(now, quiet=quiet)

    def close(self) -> None:
        """End every stream."""
        for group in tuple(self._groups.values()):
            for viewer in tuple(group.viewers):
                viewer.end()
