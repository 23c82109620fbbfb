"""Which batch to send next. Pure: the publisher asks, looks it up, sends it, and says so.

Two lanes: what was stored since we connected goes first, so that residents and inspectors see now;
what waited from before follows, oldest first, under a token bucket. PUBACK only frees a place in
the window. A batch of which the gateway says nothing is sent again, later each time.
"""

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from edge_agent.collector import BatchSettings

IN_FLIGHT = 4  # batches without PUBACK: what a broken link makes us send twice
OUTSTANDING = 1000  # batches sent of which the gateway has said nothing yet: bounds our memory
BACKLOG_OUTSTANDING = 200  # of which from the backlog: leaves room for live ones
_LONGEST_PAUSE = 600.0
_BURST = 4.0


class Lane(StrEnum):
    """Live first."""

    LIVE = "live"
    BACKLOG = "backlog"


class Next(Struct, frozen=True, kw_only=True):
    """Send the first batch above `after` (and not above `until`)."""

    lane: Lane
    after: int
    until: int | None = None


class Again(Struct, frozen=True, kw_only=True):
    """Send this batch again: the gateway has not said that it holds it."""

    seq: int


class Idle(Struct, frozen=True, kw_only=True):
    """Nothing to send before `until`, monotonic seconds."""

    until: float


class Reconnect(Struct, frozen=True, kw_only=True):
    """The broker answers pings and acknowledges nothing: begin afresh."""


Decision = Next | Again | Idle | Reconnect


class _Sent(Struct, kw_only=True):
    at: float
    lane: Lane
    due: float
    attempts: int = 1
    acknowledged: bool = False


class Lanes:
    """The lanes of one connection; `top` is the highest number in the spool when it began."""

    def __init__(self, settings: BatchSettings, *, top: int, now: float, start: float) -> None:
        self._settings = settings
        self._live, self._backlog, self._top = top, 0, top
        self._news, self._rest = False, top > 0
        self._start = now + start
        self._tokens, self._filled = _BURST, now + start
        self._sent: dict[int, _Sent] = {}

    @property
    def idle(self) -> bool:
        """Whether there is nothing left to send and nothing without an answer."""
        return not (self._news or self._rest or self._sent)

    def news(self) -> None:
        """Something was stored."""
        self._news = True

    def decide(self, now: float) -> Decision:
        """What to do at `now`."""
        unacknowledged = [sent for sent in self._sent.values() if not sent.acknowledged]
        if unacknowledged and min(sent.at for sent in unacknowledged) + self._settings.resend_seconds <= now:
            return Reconnect()
        if len(unacknowledged) >= IN_FLIGHT:
            return Idle(until=min(sent.at for sent in unacknowledged) + self._settings.resend_seconds)
        if self._news and len(self._sent) < OUTSTANDING:
            return Next(lane=Lane.LIVE, after=self._live)
        if self._sent:
            seq, sent = min(self._sent.items(), key=lambda item: item[1].due)
            if sent.due <= now:
                return Again(seq=seq)
        return self._from_backlog(now)

    def _from_backlog(self, now: float) -> Decision:
        self._tokens = min(_BURST, self._tokens + max(0.0, now - self._filled) * self._settings.backlog_per_second)
        self._filled = max(now, self._filled)
        waiting = sum(sent.lane is Lane.BACKLOG for sent in self._sent.values())
        soonest = min((sent.due for sent in self._sent.values()), default=now + 60.0)
        if not self._rest or waiting >= BACKLOG_OUTSTANDING:
            return Idle(until=soonest)
        if now < self._start:
            return Idle(until=min(soonest, self._start))
        if self._tokens < 1.0 - 1e-6:  # a rounding error short of a token is a token, not a wait of no time
            return Idle(until=min(soonest, now + (1.0 - self._tokens) / self._settings.backlog_per_second))
        return Next(lane=Lane.BACKLOG, after=self._backlog, until=self._top)

    def sent(self, seq: int, lane: Lane, now: float) -> None:
        """A batch went out."""
        if lane is Lane.LIVE:
            self._live = seq
        else:
            self._backlog = seq
            self._tokens -= 1.0
        self._sent[seq] = _Sent(at=now, lane=lane, due=now + self._settings.resend_seconds)

    def sent_again(self, seq: int, now: float) -> None:
        """A batch went out once more; the pause doubles."""
        sent = self._sent[seq]
        pause = self._settings.resend_seconds * 2**sent.attempts
        sent.at, sent.attempts, sent.acknowledged = now, sent.attempts + 1, False
        sent.due = now + min(pause, max(_LONGEST_PAUSE, self._settings.resend_seconds))

    def exhausted(self, lane: Lane) -> None:
        """The spool has nothing more for this lane."""
        if lane is Lane.LIVE:
            self._news = False
        else:
            self._rest = False

    def acknowledged(self, seq: int) -> None:
        """PUBACK: the broker took it, which frees a place in the window and nothing else."""
        if seq in self._sent:
            self._sent[seq].acknowledged = True

    def stored(self, ranges: Sequence[tuple[int, int]]) -> None:
        """The gateway says that it holds these, of the spool's own incarnation."""
        for seq in [s for s in self._sent if any(first <= s <= last for first, last in ranges)]:
            del self._sent[seq]

    def gone(self, seq: int) -> None:
        """The batch is no longer in the spool: the gateway holds it."""
        self._sent.pop(seq, None)
