"""One connection's work: rebuilt from the spool when it begins, gone with the link.

Sends what the lanes decide, and forgets what the gateway says, in its signed word, that it holds.
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

from edge_agent.broker import BrokerSettings, Connection, ConnectionLost, Said
from edge_agent.collector import BatchSettings
from edge_agent.lanes import Again, Idle, Lane, Lanes, Next, Reconnect
from edge_agent.spool import Depth, Spool, Stored
from edge_agent.wire import Kind, Malformed, NoteError, StoredRanges, Topic, Verifier

_LOG = logging.getLogger(__name__)
_HEALTH_SECONDS = 60.0
_LONGEST_TURN = 5.0


class Counts(Struct, kw_only=True):
    """What was done since the start; part of the health message."""

    connections: int = 0
    sent: int = 0
    sent_again: int = 0
    confirmed: int = 0  # the highest number that the gateway says it holds
    stored: int = 0
    refused: int = 0  # StoredRanges that were not the gateway's


class Status(Protocol):
    """Makes the status message."""

    def __call__(self, *, online: bool) -> bytes:
        """The body, for a node that is online or not."""
        ...


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Who speaks with whom, and how."""

    node: str
    area: str
    keys: Sequence[Verifier]
    broker: BrokerSettings
    tls: ssl.SSLContext | None
    batch: BatchSettings
    status: Status
    health: Callable[[Depth, Counts], bytes]
    desire: Callable[[bytes], None]  # takes the text of a configuration from afar, whose signature fits

    def say(self, kind: Kind, body: bytes) -> Said:
        """A message on one of our topics; the status is retained."""
        topic = Topic(area=self.area, node=self.node, kind=kind)
        return Said(topic=str(topic), body=body, retain=kind is Kind.STATUS)

    def open(self, note: bytes) -> bytes:
        """What the gateway signed; NoteError where it was not the gateway."""
        refusal = NoteError("there is no key to check it with")
        for key in self.keys:
            try:
                return key.open(note)
            except NoteError as error:
                refusal = error
        raise refusal

    def believe(self, text: bytes) -> StoredRanges:
        """The gateway's word on what it holds of this node; Malformed where it is none."""
        word = StoredRanges.decode(text)
        if word.node != self.node:
            raise Malformed(f"it is for node {word.node}")
        return word


class Ending:
    """When to stop: not yet told, or by `deadline` (monotonic seconds) at the latest."""

    def __init__(self) -> None:
        self.deadline: float | None = None

    def reached(self, spool: Spool, now: float) -> bool:
        """Whether there is nothing more to wait for."""
        return self.deadline is not None and (now >= self.deadline or spool.empty())


class Session:
    """Works one connection until the end is reached, or ConnectionLost."""

    def __init__(
        self, terms: Terms, connection: Connection, spool: Spool, *, ending: Ending, wake: socket.socket, counts: Counts
    ) -> None:
        self._terms, self._connection, self._spool = terms, connection, spool
        self._ending, self._wake, self._counts = ending, wake, counts
        now = time.monotonic()
        # a fleet comes back at once when a broker does
        start = random.uniform(0.0, terms.batch.backlog_start_seconds)  # noqa: S311
        self._lanes = Lanes(terms.batch, top=spool.top(), now=now, start=start)
        self._under_way: dict[int, int] = {}  # message id -> seq
        self._health_due = now + 1.0
        self._status: bytes | None = None
        self._words: dict[str, StoredRanges] = {}
        self._forget_due = now  # the first word, which the broker kept for us, spares sending all again
        self._incarnation = spool.incarnation()

    def run(self) -> None:
        """Say that we are there, work, say that we go."""
        terms = self._terms
        for kind in (Kind.STORED, Kind.CONFIG):
            self._connection.subscribe(str(Topic(area=terms.area, node=terms.node, kind=kind)))
        self._say_status()
        while not self._ending.reached(self._spool, time.monotonic()):
            self._connection.turn(self._send_what_is_due(), self._wake)
            self._note_wakes()
            self._note_acknowledgements()
            self._hear()
        self._say_goodbye()

    def _send_what_is_due(self) -> float:
        """Send until the lanes say to wait; returns for how long, seconds."""
        while True:
            now = time.monotonic()
            if now >= self._health_due:
                self._say_how_we_are(now)
            match self._lanes.decide(now):
                case Next(lane=lane, after=after, until=until):
                    self._send_next(lane, self._spool.after(after, until), now)
                case Again(seq=seq):
                    self._send_again(seq, self._spool.get(seq), now)
                case Reconnect():
                    raise ConnectionLost(f"{self._terms.broker}: it acknowledges nothing any more")
                case Idle(until=until):
                    until = min(until, self._health_due, self._forget_due if self._words else until)
                    return self._patience(until, now)

    def _patience(self, until: float, now: float) -> float:
        if self._ending.deadline is not None:
            until = min(until, self._ending.deadline, now + 0.25)
        return max(0.0, min(until - now, _LONGEST_TURN))

    def _send_next(self, lane: Lane, stored: Stored | None, now: float) -> None:
        if stored is None:
            self._lanes.exhausted(lane)
            return
        self._send(stored)
        self._lanes.sent(stored.seq, lane, now)
        self._counts.sent += 1

    def _send_again(self, seq: int, stored: Stored | None, now: float) -> None:
        if stored is None:
            self._lanes.gone(seq)
            return
        self._send(stored)
        self._lanes.sent_again(seq, now)
        self._counts.sent_again += 1

    def _send(self, stored: Stored) -> None:
        mid = self._connection.publish(self._terms.say(Kind.READINGS, stored.payload))
        self._under_way[mid] = stored.seq

    def _note_wakes(self) -> None:
        try:
            while self._wake.recv(64):
                self._lanes.news()
        except BlockingIOError:
            return

    def _note_acknowledgements(self) -> None:
        while self._connection.acknowledged:
            seq = self._under_way.pop(self._connection.acknowledged.popleft(), None)
            if seq is not None:
                self._lanes.acknowledged(seq)

    def _hear(self) -> None:
        """Take in what the gateway says, and only the gateway."""
        while self._connection.arrived:
            said = self._connection.arrived.popleft()
            try:
                text = self._terms.open(said.body)
                if said.topic.endswith(f"/{Kind.CONFIG}"):
                    self._terms.desire(text)
                    self._health_due = time.monotonic() + 1.0  # so that what became of it is seen soon
                else:
                    self._note_word(self._terms.believe(text))
            except (NoteError, Malformed) as error:
                self._counts.refused += 1
                _LOG.warning("ignored a word that is not the gateway's, or not for us: %s", error)
        now = time.monotonic()
        if self._words and (now >= self._forget_due or self._ending.deadline is not None):
            self._forget(now)

    def _note_word(self, word: StoredRanges) -> None:
        if word.inc == self._incarnation:
            self._lanes.stored(word.ranges)
            self._counts.confirmed = max([self._counts.confirmed, *(last for _, last in word.ranges)])
        self._words[word.inc] = word  # a later word contains the earlier ones

    def _forget(self, now: float) -> None:
        """Delete what the gateway holds: gathered, as each deletion is written to the card."""
        self._forget_due = now + self._terms.batch.forget_seconds
        for word in self._words.values():
            self._counts.stored += self._spool.forget(word)
            if self._spool.outrun(word):
                _LOG.warning("this spool is a copy of an older one: it goes on as a new incarnation")
        self._words.clear()
        self._incarnation = self._spool.incarnation()

    def _say_how_we_are(self, now: float) -> None:
        self._health_due = now + _HEALTH_SECONDS
        body = self._terms.health(self._spool.depth(), self._counts)
        self._connection.publish(self._terms.say(Kind.HEALTH, body), qos=0)
        self._say_status()

    def _say_status(self) -> None:
        """Retained, so only when there is something new to say."""
        status = self._terms.status(online=True)
        if status != self._status:
            self._connection.publish(self._terms.say(Kind.STATUS, status))
            self._status = status

    def _say_goodbye(self) -> None:
        terms = self._terms
        mid = self._connection.publish(terms.say(Kind.STATUS, terms.status(online=False)))
        until = time.monotonic() + 2.0
        while mid not in self._connection.acknowledged and time.monotonic() < until:
            self._connection.turn(0.2)
