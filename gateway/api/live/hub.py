"""The live hub: live messages from the broker, in the order of commits, sent to every viewer.

Viewers with the same subscription (area, station, property) form one group, and a frame is rendered once per group.
For viewers that return, the hub stores the newest value of each datastream with the commit that changed it, and the
newest 5,000 events. A viewer that missed more than a replay holds gets `stale`, as it does if a message was lost.
Preliminary marks are a state: a group gets all of them whenever they change, and a new viewer the present ones.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol

import aiomqtt

from alerting.errors import one_line
from alerting.log import get_logger
from gateway import telemetry
from gateway.api.data.latest_values import LatestValues
from gateway.api.live.changes import ChangeHistory
from gateway.api.live.frames import STALE_FRAME, LiveUpdate, Replay, Subscription, encode_sse
from gateway.api.live.marks import AreaMarks
from gateway.api.live.sequencer import ReleasedMessages, Sequencer
from gateway.api.live.subscribers import SubscriberGroup, Viewer
from gateway.api.schemas.events import Event, build_live_event
from gateway.api.schemas.observations import build_live_value
from gateway.api.settings import ApiSettings
from gateway.api.telemetry import DROPPED, LIVE_AGE, VIEWERS
from gateway.live.message import LiveMessage, LiveMessageError, decode_live_message
from gateway.mqtt.client import create_client
from gateway.mqtt.settings import BrokerSettings

_LOG = get_logger("gateway.api")
_RECONNECT_SECONDS = 1.0
_MAX_COMMITS_AHEAD = 10_000  # of another replica of the API
_MAX_REPLAYS = 16  # stored between two commits
_MAX_STALLED = 500  # viewers that do not read; of more, those that stalled first are disconnected


class LiveObserver(Protocol):
    """Gets live messages from the hub. Neither call may raise or wait."""

    def attach(self, client: aiomqtt.Client | None, /) -> None:
        """Take the connection to the broker; None: it is lost."""

    def offer(self, message: LiveMessage, /) -> None:
        """Take a live message."""


class Hub:
    """All viewers of this process, and the changes that a returning viewer may have missed."""

    def __init__(
        self, settings: ApiSettings, latest_values: LatestValues, observer: LiveObserver | None = None
    ) -> None:
        """`observer`: gets every live message besides the viewers, and the connection to the broker."""
        self._settings, self.latest_values, self._observer = settings, latest_values, observer
        self._sequencer = Sequencer()
        self._history = ChangeHistory()
        self._marks = AreaMarks()
        self._groups: dict[Subscription, SubscriberGroup] = {}
        self._viewer_count = 0
        self._viewers_by_address: dict[str, int] = {}
        self._replays: OrderedDict[tuple[Subscription, int], Replay] = OrderedDict()

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
                    self._attach_observer(connection)
                    async for message in connection.messages:
                        self.receive(message.payload)
            except aiomqtt.MqttError as error:
                self._attach_observer(None)
                telemetry.FAILURES.labels("live").inc()
                _LOG.warning("broker unavailable", broker=str(broker), error=one_line(error))
                await asyncio.sleep(_RECONNECT_SECONDS)

    def _attach_observer(self, connection: aiomqtt.Client | None) -> None:
        if self._observer is not None:
            self._observer.attach(connection)

    def begin(self, commit: int) -> None:
        """Start with this commit. If commits were missed while disconnected, viewers get `stale`."""
        if self._history.known_since is None:
            self._history.known_since = commit
            self._sequencer.begin(commit)
        elif commit > self.last_commit:
            self._sequencer.begin(commit)
            self._invalidate(commit)

    def receive(self, payload: object) -> None:
        """Publish a payload of the broker. No bytes make it raise, so that later ones are published.

        If a message cannot be published in full, viewers get `stale` and read everything again.
        """
        try:
            message = decode_live_message(payload if isinstance(payload, bytes) else b"")
        except LiveMessageError:
            DROPPED.labels("undecodable").inc()
            return
        if self._observer is not None:
            self._observer.offer(message)
        try:
            self.publish(message)
        except Exception:  # noqa: BLE001 - it concerns this message only
            _LOG.exception("live message not published", commit=message.id, area=message.area)
            self._invalidate(message.id)

    def publish(self, message: LiveMessage) -> None:
        """Send a message to all viewers in the order of commits."""
        self._release(self._sequencer.add(message, time.monotonic()))

    def _release(self, released: ReleasedMessages) -> None:
        if released.messages and self._history.known_since is None:
            self._history.known_since = released.messages[0].id - 1
        if released.lost:
            self._invalidate(released.messages[0].id - 1)
        for message in released.messages:
            self._broadcast(self._build_update(message), message)
            if message.marks is not None:
                self._marks.replace(message.area, message.marks, self.latest_values.registry.stations)
                self._replays.clear()
                self._send_marks()

    def _invalidate(self, commit: int) -> None:
        """A change before this commit was missed: every viewer has to read everything again."""
        DROPPED.labels("lost").inc()
        self._history.forget(commit)
        self._replays.clear()
        self._marks.clear()
        self.latest_values.invalidate()
        for group in tuple(self._groups.values()):
            group.marks = ()
            for viewer in tuple(group.viewers):
                viewer.offer(STALE_FRAME, None)

    def _build_update(self, message: LiveMessage) -> LiveUpdate:
        applied = self.latest_values.apply(message)
        values = [build_live_value(item.station, item.observed_property, minute) for item, minute in applied.minutes]
        events, unread_stations = self._build_events(message)
        unread_stations.update(applied.unread_stations)
        if unread_stations:
            DROPPED.labels("not_read").inc()
            self._history.known_since = message.id  # a client that resumes from before has to read everything again
        self._history.record(message.id, message.area, values, events)
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

    def _broadcast(self, update: LiveUpdate, message: LiveMessage) -> None:
        self._replays.clear()
        now = time.monotonic()
        for subscription, group in tuple(self._groups.items()):
            selected = subscription.select(update)
            if selected:
                frame = encode_sse(selected)
                group.last_sent_at = now
                for viewer in tuple(group.viewers):
                    if viewer.seen_commit < message.id:
                        viewer.offer(frame, selected)

    def _send_marks(self) -> None:
        """Send each group its present marks, if they are others than those that it has."""
        for subscription, group in tuple(self._groups.items()):
            marks = self._marks.select(subscription)
            if marks == group.marks:
                continue
            group.marks, group.last_sent_at = marks, time.monotonic()
            update = replace(self._empty_update(), marks=marks)
            frame = encode_sse(update)
            for viewer in tuple(group.viewers):
                viewer.offer(frame, update)

    # --- viewers ----------------------------------------------------------------------------------

    def has_room(self, address: str) -> bool:
        """Whether another viewer of this address may join: there are limits in all, and for each address."""
        address_count = self._viewers_by_address.get(address, 0)
        has_room = self._viewer_count < self._settings.max_viewers
        if has_room and address_count < self._settings.max_viewers_per_address:
            return True
        DROPPED.labels("full").inc()
        return False

    def join(self, viewer: Viewer, last_id: int | None) -> None:
        """Add a viewer that saw `last_id`; call `has_room` first."""
        group = self._groups.get(viewer.subscription)
        if group is None:
            group = self._groups[viewer.subscription] = SubscriberGroup(self._marks.select(viewer.subscription))
        group.viewers.add(viewer)
        self._viewers_by_address[viewer.address] = self._viewers_by_address.get(viewer.address, 0) + 1
        self._viewer_count += 1
        VIEWERS.set(self._viewer_count)
        if last_id is not None:
            viewer.seen_commit = last_id if last_id <= self.last_commit + _MAX_COMMITS_AHEAD else 0

    def find_replay(self, subscription: Subscription, last_id: int | None) -> Replay:
        """The changes since `last_id`, found and encoded once for all viewers that ask between two commits.

        Present marks are in every replay: a new stream begins without any.
        """
        if last_id is None:
            return Replay(self._present_update(subscription), stale=False)
        replay = self._replays.get((subscription, last_id))
        if replay is None:
            replay = self._replays[subscription, last_id] = self._build_replay(subscription, last_id)
            if len(self._replays) > _MAX_REPLAYS:
                self._replays.popitem(last=False)
        return replay

    def _build_replay(self, subscription: Subscription, last_id: int) -> Replay:
        present = self._present_update(subscription)
        is_ahead = last_id > self.last_commit + _MAX_COMMITS_AHEAD
        missed = None if is_ahead else self._history.find_missed(subscription, last_id)
        if missed is None:
            return Replay(present, stale=True)
        return Replay(replace(present, values=missed.values, events=missed.events), stale=False)

    def _empty_update(self) -> LiveUpdate:
        return LiveUpdate(id=self.last_commit, area="", values=[], events=[])

    def _present_update(self, subscription: Subscription) -> LiveUpdate:
        return replace(self._empty_update(), marks=self._marks.select(subscription) or None)

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
            if self._marks.drop_expired(datetime.now(UTC)):
                self._replays.clear()
                self._send_marks()
            for group in tuple(self._groups.values()):
                quiet = now - group.last_sent_at >= settings.heartbeat_seconds
                if quiet:
                    group.last_sent_at = now
                for viewer in tuple(group.viewers):
                    viewer.maintain(now, quiet=quiet)
            self._disconnect_longest_stalled()

    def _disconnect_longest_stalled(self) -> None:
        """Bound what viewers that do not read hold together."""
        viewers = (viewer for group in self._groups.values() for viewer in group.viewers)
        stalled = sorted(
            (viewer for viewer in viewers if viewer.stalled_at is not None), key=lambda viewer: viewer.stalled_at or 0.0
        )
        for viewer in stalled[: max(0, len(stalled) - _MAX_STALLED)]:
            viewer.disconnect()

    def close(self) -> None:
        """Close every stream."""
        for group in tuple(self._groups.values()):
            for viewer in tuple(group.viewers):
                viewer.end()
