"""The live hub: live messages from the broker, in the order of commits, sent to every viewer.

Viewers with the same subscription (area, station, property) form one group, and a frame is rendered once per group.
The hub stores no frames for viewers that return. Of values only the newest counts, and the hub knows in which commit
each value changed last; of events it stores the newest 5,000. If a message was lost, viewers get `stale`.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import aiomqtt
import msgspec

from alerting.errors import one_line
from alerting.log import get_logger
from gateway import telemetry
from gateway.api.data.latest_values import LatestValues
from gateway.api.live.frames import LiveUpdate, Subscription, encode_sse
from gateway.api.live.sequencer import ReleasedMessages, Sequencer
from gateway.api.live.subscribers import SubscriberGroup, Viewer
from gateway.api.schemas.events import Event, build_live_event
from gateway.api.schemas.observations import LiveValue, build_live_value
from gateway.api.settings import ApiSettings
from gateway.api.telemetry import DROPPED, LIVE_AGE, VIEWERS
from gateway.live.message import LiveMessage, decode_live_message
from gateway.mqtt.client import create_client
from gateway.mqtt.settings import BrokerSettings

_LOG = get_logger("gateway.api")
_MAX_EVENTS = 5_000
_RECONNECT_SECONDS = 1.0
_MAX_COMMITS_AHEAD = 10_000  # of another replica of the API
STALE_FRAME = b"event: stale\ndata: {}\n\n"


class Hub:
    """All viewers of this process, and the changes that a returning viewer may have missed."""

    def __init__(self, settings: ApiSettings, latest_values: LatestValues) -> None:
        self._settings, self.latest_values = settings, latest_values
        self._sequencer = Sequencer()
        self._last_changes: OrderedDict[tuple[str, str], tuple[int, str]] = OrderedDict()  # -> commit, area
        self._events: deque[tuple[int, Event]] = deque()
        self._known_since: int | None = None  # changes before this commit are unknown
        self._groups: dict[Subscription, SubscriberGroup] = {}
        self._viewer_count = 0
        self._viewers_by_address: dict[str, int] = {}
        self._replay_frames: dict[tuple[Subscription, int], bytes] = {}

    @property
    def last_commit(self) -> int:
        """The number of the newest commit that was processed."""
        return self._sequencer.last or 0

    # --- live messages ----------------------------------------------------------------------------

    async def listen(self, broker: BrokerSettings, client_id: str, fetch_commit: Callable[[], Awaitable[int]]) -> None:
        """Receive live messages until cancelled, and reconnect to the broker. `fetch_commit` reads the database."""
        while True:
            try:
                async with create_client(broker, client_id) as connection:
                    await connection.subscribe("pw/v1/+/live", qos=0)
                    self.begin(await fetch_commit())
                    async for message in connection.messages:
                        self._receive(message.payload)
            except aiomqtt.MqttError as error:
                telemetry.FAILURES.labels("live").inc()
                _LOG.warning("broker unavailable", broker=str(broker), error=one_line(error))
                await asyncio.sleep(_RECONNECT_SECONDS)

    def begin(self, commit: int) -> None:
        """Start with this commit. If commits were missed while disconnected, viewers get `stale`."""
        if self._known_since is None:
            self._known_since = commit
            self._sequencer.begin(commit)
        elif commit > self.last_commit:
            self._sequencer.begin(commit)
            self._invalidate(commit)

    def _receive(self, payload: object) -> None:
        try:
            message = decode_live_message(payload if isinstance(payload, bytes) else b"")
        except (msgspec.MsgspecError, UnicodeDecodeError):
            DROPPED.labels("undecodable").inc()
            return
        self.publish(message)

    def publish(self, message: LiveMessage) -> None:
        """Send a message to all viewers in the order of commits."""
        self._release(self._sequencer.add(message, time.monotonic()))

    def _release(self, released: ReleasedMessages) -> None:
        if released.messages and self._known_since is None:
            self._known_since = released.messages[0].id - 1
        if released.lost:
            self._invalidate(released.messages[0].id - 1)
        for message in released.messages:
            self._broadcast(self._build_update(message), message)

    def _invalidate(self, commit: int) -> None:
        """A change before this commit was missed: every viewer has to read everything again."""
        DROPPED.labels("lost").inc()
        self._known_since = commit
        self._events.clear()
        self._replay_frames.clear()
        self.latest_values.invalidate()
        for group in tuple(self._groups.values()):
            for viewer in tuple(group.viewers):
                viewer.offer(STALE_FRAME, None)

    def _build_update(self, message: LiveMessage) -> LiveUpdate:
        applied = self.latest_values.apply(message)
        values = [build_live_value(item.station, item.observed_property, minute) for item, minute in applied.minutes]
        events, unread_stations = self._build_events(message)
        unread_stations.update(applied.unread_stations)
        if unread_stations:
            DROPPED.labels("not_read").inc()
            self._known_since = message.id  # whoever resumes from before has to read everything again
        self._record_changes(message, values, events)
        now = message.committed_at.timestamp()
        for observation, _ in applied.minutes:
            LIVE_AGE.observe(max(0.0, now - observation.observed_at.timestamp()))
        return LiveUpdate(
            id=message.id, area=message.area, values=values, events=events, unread_stations=sorted(unread_stations)
        )

    def _build_events(self, message: LiveMessage) -> tuple[list[Event], set[str]]:
        """The events of a commit, and the stations of those that could not be read."""
        events, unread_stations = [], set()
        for item in message.events:
            station = self.latest_values.registry.stations.get(item.event.station)
            name = item.event.station if station is None else station.name
            try:
                events.append(build_live_event(item, name, message.committed_at, self._settings.operator))
            except Exception:  # noqa: BLE001 - it concerns this station only
                _LOG.exception("live event not read", station=item.event.station, event_id=item.event.id)
                unread_stations.add(item.event.station)
        return events, unread_stations

    def _record_changes(self, message: LiveMessage, values: Sequence[LiveValue], events: Sequence[Event]) -> None:
        for value in values:
            key = value.station, value.observed_property
            self._last_changes[key] = message.id, message.area
            self._last_changes.move_to_end(key)
        self._events.extend((message.id, event) for event in events)
        while len(self._events) > _MAX_EVENTS:
            self._known_since = max(self._known_since or 0, self._events.popleft()[0])

    def _broadcast(self, update: LiveUpdate, message: LiveMessage) -> None:
        self._replay_frames.clear()
        now = time.monotonic()
        for subscription, group in tuple(self._groups.items()):
            selected = subscription.select(update)
            if not selected:
                continue
            frame = encode_sse(selected)
            group.last_sent_at = now
            for viewer in tuple(group.viewers):
                if viewer.seen_commit < message.id:
                    viewer.offer(frame, selected)

    # --- viewers ----------------------------------------------------------------------------------

    def join(self, viewer: Viewer, last_id: int | None) -> bool:
        """Add a viewer that saw `last_id`; False if there are too many viewers, in all or of its address."""
        address_count = self._viewers_by_address.get(viewer.address, 0)
        if self._viewer_count >= self._settings.max_viewers or address_count >= self._settings.max_viewers_per_address:
            DROPPED.labels("full").inc()
            return False
        self._groups.setdefault(viewer.subscription, SubscriberGroup()).viewers.add(viewer)
        self._viewers_by_address[viewer.address] = address_count + 1
        self._viewer_count += 1
        VIEWERS.set(self._viewer_count)
        if last_id is not None:
            viewer.seen_commit = last_id if last_id <= self.last_commit + _MAX_COMMITS_AHEAD else 0
        return True

    def render_missed(self, subscription: Subscription, last_id: int | None) -> bytes:
        """The missed changes as frames, rendered once per subscription and id; `stale` if `last_id` is too old."""
        if last_id is None:
            return b""
        frames = self._replay_frames.get((subscription, last_id))
        if frames is None:
            stale, update = self.find_missed(subscription, last_id)
            frames = self._replay_frames[subscription, last_id] = (STALE_FRAME if stale else b"") + encode_sse(update)
        return frames

    def find_missed(self, subscription: Subscription, last_id: int | None) -> tuple[bool, LiveUpdate]:
        """Whether `last_id` is too old to resume from, and the changes since."""
        empty = LiveUpdate(id=self.last_commit, area="", values=[], events=[])
        if last_id is None:
            return False, empty
        if self._known_since is None or last_id < self._known_since or last_id > self.last_commit + _MAX_COMMITS_AHEAD:
            return True, empty
        events = [
            event for id_, event in self._events
            if id_ > last_id and subscription.matches(event.area, event.station, event.observed_property)
        ]  # fmt: skip
        return False, replace(empty, values=self._find_missed_values(subscription, last_id), events=events)

    def _find_missed_values(self, subscription: Subscription, last_id: int) -> list[LiveValue]:
        values = []
        for (station, name), (commit, area) in reversed(self._last_changes.items()):
            if commit <= last_id:
                break
            if subscription.matches(area, station, name):
                values += self._current_value(station, name)
        return values

    def _current_value(self, station: str, name: str) -> list[LiveValue]:
        if name not in self.latest_values.windows.get(station, {}):
            return []
        return [build_live_value(station, name, self.latest_values.build_minute(station, name))]

    def leave(self, viewer: Viewer) -> None:
        """Remove a viewer; a second call has no effect."""
        group = self._groups.get(viewer.subscription)
        if group is None or viewer not in group.viewers:
            return
        group.viewers.discard(viewer)
        if not group.viewers:
            del self._groups[viewer.subscription]
        address_count = self._viewers_by_address.pop(viewer.address) - 1
        if address_count:
            self._viewers_by_address[viewer.address] = address_count
        self._viewer_count -= 1
        VIEWERS.set(self._viewer_count)

    async def maintain_viewers(self) -> None:
        """Send heartbeats, close old streams and disconnect viewers that do not read, until cancelled."""
        settings = self._settings
        pause = min(0.5, settings.heartbeat_seconds / 3, settings.stream_seconds / 3)
        while True:
            await asyncio.sleep(pause)
            now = time.monotonic()
            self._release(self._sequencer.release_overdue(now))
            for group in tuple(self._groups.values()):
                quiet = now - group.last_sent_at >= settings.heartbeat_seconds
                if quiet:
                    group.last_sent_at = now
                for viewer in tuple(group.viewers):
                    viewer.maintain(now, quiet=quiet)

    def close(self) -> None:
        """Close every stream."""
        for group in tuple(self._groups.values()):
            for viewer in tuple(group.viewers):
                viewer.end()
