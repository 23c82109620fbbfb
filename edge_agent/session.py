"""The work of one connection: created from the spool when the connection begins, discarded with it.

It sends the batches that the lanes choose, and deletes the batches that the gateway confirms in a signed message.
"""

import logging
import random
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from msgspec import Struct

from edge_agent.broker import BrokerSettings, ConnectionLostError, MqttMessage, PahoConnection
from edge_agent.collector import BatchSettings
from edge_agent.lanes import Idle, Lane, Lanes, Reconnect, Resend, SendNext
from edge_agent.spool import Spool, SpoolDepth, SpoolRow
from edge_agent.wire import MalformedError, NoteError, StoredRanges, Topic, TopicKind, Verifier

_LOG = logging.getLogger(__name__)
_HEALTH_SECONDS = 60.0
_MAX_POLL_SECONDS = 5.0


class PublisherCounts(Struct, kw_only=True):
    """Counts since the start; part of the health message."""

    connections: int = 0
    sent: int = 0
    sent_again: int = 0
    confirmed: int = 0  # the highest number that the gateway confirmed
    stored: int = 0
    refused: int = 0  # StoredRanges that were not the gateway's


class StatusEncoder(Protocol):
    """Makes the status message."""

    def __call__(self, *, online: bool) -> bytes:
        """The body, for a node that is online or not."""
        ...


@dataclass(frozen=True, kw_only=True)
class SessionContext:
    """Parties and parameters of a connection."""

    node: str
    area: str
    keys: Sequence[Verifier]
    broker: BrokerSettings
    tls: ssl.SSLContext | None
    batch: BatchSettings
    encode_status: StatusEncoder
    encode_health: Callable[[SpoolDepth, PublisherCounts], bytes]
    on_desired_config: Callable[[bytes], None]  # takes the text of a remote configuration, whose signature fits

    def build_message(self, kind: TopicKind, body: bytes) -> MqttMessage:
        """A message on one of our topics; the status is retained."""
        topic = Topic(area=self.area, node=self.node, kind=kind)
        return MqttMessage(topic=str(topic), body=body, retain=kind is TopicKind.STATUS)

    def open_note(self, note: bytes) -> bytes:
        """Return the text that the gateway signed. Raises NoteError for any other signature."""
        failure = NoteError("there is no key to check it with")
        for key in self.keys:
            try:
                return key.open(note)
            except NoteError as error:
                failure = error
        raise failure

    def decode_stored_ranges(self, text: bytes) -> StoredRanges:
        """Return the ranges that the gateway has stored of this node. Raises MalformedError."""
        stored = StoredRanges.decode(text)
        if stored.node != self.node:
            raise MalformedError(f"it is for node {stored.node}")
        return stored


class StopDeadline:
    """Whether to stop, and the latest time for it (`deadline`, monotonic seconds)."""

    def __init__(self) -> None:
        self.deadline: float | None = None

    def is_reached(self, spool: Spool, now: float) -> bool:
        """Whether there is nothing more to wait for."""
        return self.deadline is not None and (now >= self.deadline or spool.is_empty())


class Session:
    """Works one connection until the end is reached, or ConnectionLost."""

    def __init__(
        self,
        context: SessionContext,
        connection: PahoConnection,
        spool: Spool,
        *,
        stop_deadline: StopDeadline,
        wake_socket: socket.socket,
        counts: PublisherCounts,
    ) -> None:
        self._context, self._connection, self._spool = context, connection, spool
        self._stop_deadline, self._wake_socket, self._counts = stop_deadline, wake_socket, counts
        now = time.monotonic()
        # a fleet comes back at once when a broker does
        start = random.uniform(0.0, context.batch.backlog_start_seconds)  # noqa: S311
        self._lanes = Lanes(context.batch, backlog_end=spool.highest_seq(), now=now, backlog_delay=start)
        self._in_flight: dict[int, int] = {}  # message id -> seq
        self._health_due = now + 1.0
        self._last_status: bytes | None = None
        self._stored_ranges: dict[str, StoredRanges] = {}
        self._forget_due = now  # the first confirmation, retained by the broker, avoids sending everything again
        self._incarnation = spool.read_incarnation()

    def run(self) -> None:
        """Publish `online`, work, publish `offline`."""
        context = self._context
        for kind in (TopicKind.STORED, TopicKind.CONFIG):
            self._connection.subscribe(str(Topic(area=context.area, node=context.node, kind=kind)))
        self._publish_status()
        while not self._stop_deadline.is_reached(self._spool, time.monotonic()):
            self._connection.poll(self._send_due(), self._wake_socket)
            self._receive_wakes()
            self._record_acknowledgements()
            self._receive_messages()
            self._delete_stored_if_due(time.monotonic())
        self._publish_offline()

    def _send_due(self) -> float:
        """Send until the lanes have nothing to send; return the pause in seconds."""
        while True:
            now = time.monotonic()
            if now >= self._health_due:
                self._publish_health(now)
            match self._lanes.decide(now):
                case SendNext(lane=lane, after=after, until=until):
                    self._send_next(lane, self._spool.select_after(after, until), now)
                case Resend(seq=seq):
                    self._send_again(seq, self._spool.get(seq), now)
                case Reconnect():
                    raise ConnectionLostError(f"{self._context.broker}: it acknowledges nothing any more")
                case Idle(until=until):
                    until = min(until, self._health_due, self._forget_due if self._stored_ranges else until)
                    return self._seconds_until(until, now)

    def _seconds_until(self, until: float, now: float) -> float:
        if self._stop_deadline.deadline is not None:
            until = min(until, self._stop_deadline.deadline, now + 0.25)
        return max(0.0, min(until - now, _MAX_POLL_SECONDS))

    def _send_next(self, lane: Lane, stored: SpoolRow | None, now: float) -> None:
        if stored is None:
            self._lanes.mark_exhausted(lane)
            return
        self._send(stored)
        self._lanes.record_sent(stored.seq, lane, now)
        self._counts.sent += 1

    def _send_again(self, seq: int, stored: SpoolRow | None, now: float) -> None:
        if stored is None:
            self._lanes.remove(seq)
            return
        self._send(stored)
        self._lanes.record_resent(seq, now)
        self._counts.sent_again += 1

    def _send(self, stored: SpoolRow) -> None:
        mid = self._connection.publish(self._context.build_message(TopicKind.READINGS, stored.payload))
        self._in_flight[mid] = stored.seq

    def _receive_wakes(self) -> None:
        try:
            while self._wake_socket.recv(64):
                self._lanes.notify_stored()
        except BlockingIOError:
            return

    def _record_acknowledgements(self) -> None:
        while self._connection.acknowledged:
            seq = self._in_flight.pop(self._connection.acknowledged.popleft(), None)
            if seq is not None:
                self._lanes.record_acknowledged(seq)

    def _receive_messages(self) -> None:
        """Handle messages with a valid signature of the gateway; ignore others."""
        while self._connection.received:
            message = self._connection.received.popleft()
            try:
                text = self._context.open_note(message.body)
                if message.topic.endswith(f"/{TopicKind.CONFIG}"):
                    self._context.on_desired_config(text)
                    self._health_due = time.monotonic() + 1.0  # so that what became of it is seen soon
                else:
                    self._record_stored_ranges(self._context.decode_stored_ranges(text))
            except (NoteError, MalformedError) as error:
                self._counts.refused += 1
                _LOG.warning("ignored a message without a valid signature of the gateway: %s", error)

    def _delete_stored_if_due(self, now: float) -> None:
        if self._stored_ranges and (now >= self._forget_due or self._stop_deadline.deadline is not None):
            self._delete_stored(now)

    def _record_stored_ranges(self, stored: StoredRanges) -> None:
        if stored.inc == self._incarnation:
            self._lanes.record_stored(stored.ranges)
            self._counts.confirmed = max([self._counts.confirmed, *(last for _, last in stored.ranges)])
        self._stored_ranges[stored.inc] = stored  # later ranges contain the earlier ones

    def _delete_stored(self, now: float) -> None:
        """Delete what the gateway holds: gathered, as each deletion is written to the card."""
        self._forget_due = now + self._context.batch.forget_seconds
        for stored in self._stored_ranges.values():
            self._counts.stored += self._spool.delete_stored(stored)
            if self._spool.renew_if_copied(stored):
                _LOG.warning("this spool is a copy of an older one: it goes on as a new incarnation")
        self._stored_ranges.clear()
        self._incarnation = self._spool.read_incarnation()

    def _publish_health(self, now: float) -> None:
        self._health_due = now + _HEALTH_SECONDS
        body = self._context.encode_health(self._spool.measure_depth(), self._counts)
        self._connection.publish(self._context.build_message(TopicKind.HEALTH, body), qos=0)
        self._publish_status()

    def _publish_status(self) -> None:
        """Publish the status if it changed: it is retained."""
        status = self._context.encode_status(online=True)
        if status != self._last_status:
            self._connection.publish(self._context.build_message(TopicKind.STATUS, status))
            self._last_status = status

    def _publish_offline(self) -> None:
        context = self._context
        mid = self._connection.publish(context.build_message(TopicKind.STATUS, context.encode_status(online=False)))
        deadline = time.monotonic() + 2.0
        while mid not in self._connection.acknowledged and time.monotonic() < deadline:
            self._connection.poll(0.2)
