"""Choose the batch to send next. Pure: the publisher calls `next`, sends the batch and reports it.

There are two lanes. Batches stored since the connection began go first, so that residents and inspectors see the
present. The backlog follows, oldest first, limited by a token bucket. PUBACK only frees a place in the window. A
batch that the gateway does not confirm is sent again, after growing pauses.
"""

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct

from edge_agent.collector import BatchSettings

IN_FLIGHT = 4  # batches without PUBACK: what a broken link makes us send twice
OUTSTANDING = 1000  # batches sent and not yet confirmed by the gateway: bounds our memory
BACKLOG_OUTSTANDING = 200  # of which from the backlog: leaves room for live ones
_LONGEST_PAUSE = 600.0
_BURST = 4.0


class Lane(StrEnum):
    """Live first."""

    LIVE = "live"
    BACKLOG = "backlog"


class SendNext(Struct, frozen=True, kw_only=True):
    """Send the first batch above `after` (and not above `until`)."""

    lane: Lane
    after: int
    until: int | None = None


class Resend(Struct, frozen=True, kw_only=True):
    """Send this batch again: the gateway has not confirmed it."""

    seq: int


class Idle(Struct, frozen=True, kw_only=True):
    """Nothing to send before `until`, monotonic seconds."""

    until: float


class Reconnect(Struct, frozen=True, kw_only=True):
    """The broker answers pings and acknowledges nothing: begin afresh."""


SendDecision = SendNext | Resend | Idle | Reconnect


class _SentBatch(Struct, kw_only=True):
    sent_at: float
    lane: Lane
    due_at: float
    attempts: int = 1
    acknowledged: bool = False


class Lanes:
    """The lanes of one connection; `top` is the highest number in the spool when it began."""

    def __init__(self, settings: BatchSettings, *, backlog_end: int, now: float, backlog_delay: float) -> None:
        self._settings = settings
        self._live_seq, self._backlog_seq, self._backlog_end = backlog_end, 0, backlog_end
        self._has_live, self._has_backlog = False, backlog_end > 0
        self._backlog_start = now + backlog_delay
        self._tokens, self._refilled_at = _BURST, now + backlog_delay
        self._outstanding: dict[int, _SentBatch] = {}

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing left to send and nothing without an answer."""
        return not (self._has_live or self._has_backlog or self._outstanding)

    def notify_stored(self) -> None:
        """Something was stored."""
        self._has_live = True

    def decide(self, now: float) -> SendDecision:
        """Decide what to send at `now`."""
        unacknowledged = [sent for sent in self._outstanding.values() if not sent.acknowledged]
        if unacknowledged and min(sent.sent_at for sent in unacknowledged) + self._settings.resend_seconds <= now:
            return Reconnect()
        if len(unacknowledged) >= IN_FLIGHT:
            return Idle(until=min(sent.sent_at for sent in unacknowledged) + self._settings.resend_seconds)
        if self._has_live and len(self._outstanding) < OUTSTANDING:
            return SendNext(lane=Lane.LIVE, after=self._live_seq)
        if self._outstanding:
            seq, sent = min(self._outstanding.items(), key=lambda item: item[1].due_at)
            if sent.due_at <= now:
                return Resend(seq=seq)
        return self._decide_backlog(now)

    def _decide_backlog(self, now: float) -> SendDecision:
        self._tokens = min(_BURST, self._tokens + max(0.0, now - self._refilled_at) * self._settings.backlog_per_second)
        self._refilled_at = max(now, self._refilled_at)
        backlog_outstanding = sum(sent.lane is Lane.BACKLOG for sent in self._outstanding.values())
        soonest = min((sent.due_at for sent in self._outstanding.values()), default=now + 60.0)
        if not self._has_backlog or backlog_outstanding >= BACKLOG_OUTSTANDING:
            return Idle(until=soonest)
        if now < self._backlog_start:
            return Idle(until=min(soonest, self._backlog_start))
        if self._tokens < 1.0 - 1e-6:  # a rounding error short of a token is a token, not a wait of no time
            return Idle(until=min(soonest, now + (1.0 - self._tokens) / self._settings.backlog_per_second))
        return SendNext(lane=Lane.BACKLOG, after=self._backlog_seq, until=self._backlog_end)

    def record_sent(self, seq: int, lane: Lane, now: float) -> None:
        """A batch went out."""
        if lane is Lane.LIVE:
            self._live_seq = seq
        else:
            self._backlog_seq = seq
            self._tokens -= 1.0
        self._outstanding[seq] = _SentBatch(sent_at=now, lane=lane, due_at=now + self._settings.resend_seconds)

    def record_resent(self, seq: int, now: float) -> None:
        """A batch went out once more; the pause doubles."""
        sent = self._outstanding[seq]
        pause = self._settings.resend_seconds * 2**sent.attempts
        sent.sent_at, sent.attempts, sent.acknowledged = now, sent.attempts + 1, False
        sent.due_at = now + min(pause, max(_LONGEST_PAUSE, self._settings.resend_seconds))

    def mark_exhausted(self, lane: Lane) -> None:
        """The spool has nothing more for this lane."""
        if lane is Lane.LIVE:
            self._has_live = False
        else:
            self._has_backlog = False

    def record_acknowledged(self, seq: int) -> None:
        """PUBACK: the broker took it, which frees a place in the window and nothing else."""
        if seq in self._outstanding:
            self._outstanding[seq].acknowledged = True

    def record_stored(self, seqs: Iterable[int]) -> None:
        """Note that the gateway confirmed the bytes of these batches."""
        for seq in seqs:
            self._outstanding.pop(seq, None)

    def record_conflicts(self, seqs: Iterable[int], now: float) -> None:
        """Note that these batches have another key now: they are due at once."""
        for seq in seqs:
            if seq in self._outstanding:
                self._outstanding[seq].due_at = now

    def remove(self, seq: int) -> None:
        """The batch is no longer in the spool: the gateway holds it."""
        self._outstanding.pop(seq, None)
