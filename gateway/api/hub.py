"""The live hub: what comes over the broker, kept in a ring, offered to every viewer.

Each viewer has a bounded place of its own. Observations that it has not read yet give way to newer ones;
events are never replaced, and a viewer that leaves too many of them unread is cut off.
"""

import asyncio
import logging
from collections import deque

import aiomqtt
import msgspec

from gateway import telemetry
from gateway.api.telemetry import DROPPED, LIVE_AGE, VIEWERS
from gateway.broker import BrokerSettings, client
from gateway.live import LiveEvent, LiveMessage, LiveObservation, decode, follow

_LOG = logging.getLogger(__name__)
_RING = 2_000
_UNREAD_EVENTS = 500
_PAUSE = 1.0


class Viewer:
    """One open stream's unread frames, for one area or all."""

    def __init__(self, area: str | None) -> None:
        self.area = area
        self.last_id = 0
        self.stale = False
        self.closed = False
        self.news = asyncio.Event()
        self._observations: dict[tuple[str, str], LiveObservation] = {}
        self._events: list[LiveEvent] = []

    def offer(self, message: LiveMessage) -> None:
        """Note a message; never waits."""
        if self.closed or (self.area is not None and message.area != self.area) or message.id < self.last_id:
            return
        self.last_id = message.id
        for observation in message.observations:
            key = observation.station, observation.observed_property
            unread = self._observations.get(key)
            self._observations[key] = observation if unread is None else follow(unread, observation)
        self._events += message.events
        if len(self._events) > _UNREAD_EVENTS:
            DROPPED.labels("too_slow").inc()
            self.close()
        self.news.set()

    def take(self) -> tuple[list[LiveObservation], list[LiveEvent]]:
        """All that is unread, which is read with this."""
        observations, events = list(self._observations.values()), self._events
        self._observations, self._events = {}, []
        self.news.clear()
        return observations, events

    def close(self) -> None:
        """End the stream; its reader wakes up and leaves."""
        self.closed = True
        self.news.set()


class Hub:
    """All viewers of this process, and the newest messages."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._ring: deque[LiveMessage] = deque(maxlen=_RING)
        self._viewers: set[Viewer] = set()

    async def listen(self, broker: BrokerSettings, identifier: str) -> None:
        """Take in live messages until cancelled; the broker may come and go."""
        while True:
            try:
                async with client(broker, identifier) as connection:
                    await connection.subscribe("pw/v1/+/live", qos=0)
                    async for message in connection.messages:
                        self._take_in(message.payload)
            except aiomqtt.MqttError as error:
                telemetry.FAILURES.labels("live").inc()
                _LOG.warning("broker %s is away: %s", broker, error)
                await asyncio.sleep(_PAUSE)

    def _take_in(self, payload: object) -> None:
        try:
            message = decode(payload if isinstance(payload, bytes) else b"")
        except (msgspec.MsgspecError, UnicodeDecodeError):
            DROPPED.labels("undecodable").inc()
            return
        self.publish(message)

    def publish(self, message: LiveMessage) -> None:
        """Keep it and offer it to everybody."""
        self._ring.append(message)
        now = message.committed_at.timestamp()
        for observation in message.observations:
            LIVE_AGE.observe(max(0.0, now - observation.observed_at.timestamp()))
        for viewer in tuple(self._viewers):
            viewer.offer(message)

    def join(self, area: str | None, last_id: int | None) -> Viewer | None:
        """A new viewer, with what it missed since `last_id`; None where the house is full."""
        if len(self._viewers) >= self._most:
            return None
        viewer = Viewer(area)
        if last_id is not None:
            oldest = self._ring[0].id if self._ring else None
            viewer.stale = oldest is None or last_id < oldest - 1
            for message in self._ring:
                if message.id > last_id:
                    viewer.offer(message)
        self._viewers.add(viewer)
        VIEWERS.set(len(self._viewers))
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """Forget a viewer; twice is once."""
        self._viewers.discard(viewer)
        VIEWERS.set(len(self._viewers))

    def close(self) -> None:
        """End every stream: the process is about to stop."""
        for viewer in tuple(self._viewers):
            viewer.close()
