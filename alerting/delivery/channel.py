"""What every channel answers after an attempt. A failure is permanent or it isn't; that is decided here, once."""

from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct


class Outcome(StrEnum):
    """How one attempt ended; also a metric's label."""

    DELIVERED = "delivered"
    REFUSED = "refused"  # the other side said no, for good
    GONE = "gone"  # it never wants to hear from us again
    FAILED = "failed"  # try again later
    UNKNOWN = "unknown"  # it may have arrived


class Attempt(Struct, frozen=True, kw_only=True):
    """One attempt's outcome, in words, and the exact bytes that were sent."""

    outcome: Outcome
    detail: str
    content: bytes = b""


class Retry(Struct, frozen=True, kw_only=True):
    """Try again at `at`."""

    at: datetime


class Finished(Struct, frozen=True, kw_only=True):
    """No further attempt: `state` is what the outbox says from now on."""

    state: Outcome


# Standard Webhooks' schedule; it serves mail as well.
_PAUSES = tuple(timedelta(seconds=s) for s in (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400))


def after(attempt: Attempt, *, attempts: int, now: datetime) -> Retry | Finished:
    """What follows an attempt, the `attempts`-th of its notification."""
    if attempt.outcome is Outcome.GONE:
        return Finished(state=Outcome.REFUSED)
    if attempt.outcome in {Outcome.DELIVERED, Outcome.REFUSED}:
        return Finished(state=attempt.outcome)
    if attempts > len(_PAUSES):
        return Finished(state=Outcome.UNKNOWN if attempt.outcome is Outcome.UNKNOWN else Outcome.REFUSED)
    return Retry(at=now + _PAUSES[attempts - 1])


class Origin(Struct, frozen=True, kw_only=True):
    """Who says it and where more is to be found; `received_at` is when the alert came in.

    allow_private   whether requests may go to private and loopback addresses
    """

    public_url: str
    source: str
    allow_private: bool
    received_at: datetime
