"""What every channel answers after an attempt. A failure is permanent or it isn't; that is decided here, once."""

from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct


class DeliveryOutcome(StrEnum):
    """How one attempt ended; also a metric's label."""

    DELIVERED = "delivered"
    REFUSED = "refused"  # the other side said no, for good
    GONE = "gone"  # it never wants to hear from us again
    FAILED = "failed"  # try again later
    UNKNOWN = "unknown"  # it may have arrived


class Delivery(Struct, frozen=True, kw_only=True):
    """One attempt's outcome, in words, and the exact bytes that were sent."""

    outcome: DeliveryOutcome
    detail: str
    content: bytes = b""


class NextAttempt(Struct, frozen=True, kw_only=True):
    """Try again at `at`."""

    at: datetime


class FinalState(Struct, frozen=True, kw_only=True):
    """No further attempt: `state` is what the outbox says from now on."""

    state: DeliveryOutcome


# Standard Webhooks' schedule; it serves mail as well.
_RETRY_DELAYS = tuple(timedelta(seconds=s) for s in (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400))


def plan_next_attempt(delivery: Delivery, *, attempts: int, now: datetime) -> NextAttempt | FinalState:
    """What follows an attempt, the `attempts`-th of its notification."""
    if delivery.outcome is DeliveryOutcome.GONE:
        return FinalState(state=DeliveryOutcome.REFUSED)
    if delivery.outcome in {DeliveryOutcome.DELIVERED, DeliveryOutcome.REFUSED}:
        return FinalState(state=delivery.outcome)
    if attempts > len(_RETRY_DELAYS):
        return FinalState(
            state=DeliveryOutcome.UNKNOWN if delivery.outcome is DeliveryOutcome.UNKNOWN else DeliveryOutcome.REFUSED
        )
    return NextAttempt(at=now + _RETRY_DELAYS[attempts - 1])


class DeliveryContext(Struct, frozen=True, kw_only=True):
    """Who says it and where more is to be found; `received_at` is when the alert came in.

    allow_private   whether requests may go to private and loopback addresses
    """

    public_url: str
    source: str
    allow_private: bool
    received_at: datetime
