"""The outcome of an attempt, the same for every channel, and the decision whether to retry."""

from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct


class DeliveryOutcome(StrEnum):
    """How one attempt ended; also a metric's label."""

    DELIVERED = "delivered"
    REFUSED = "refused"  # refused permanently
    GONE = "gone"  # the target is gone: deliver nothing more to it
    FAILED = "failed"  # temporary: retry later
    UNKNOWN = "unknown"  # it may have arrived: retry later


class Delivery(Struct, frozen=True, kw_only=True):
    """One attempt's outcome, a detail to show, and the exact bytes that were sent."""

    outcome: DeliveryOutcome
    detail: str
    content: bytes = b""


class NextAttempt(Struct, frozen=True, kw_only=True):
    """Retry at `at`."""

    at: datetime


class FinalState(Struct, frozen=True, kw_only=True):
    """No further attempt: `state` is the notification's final state in the outbox."""

    state: DeliveryOutcome


# The schedule of Standard Webhooks, for every channel: 5 s to 24 h.
_RETRY_DELAYS = tuple(timedelta(seconds=s) for s in (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400))


def plan_next_attempt(delivery: Delivery, *, attempts: int, now: datetime) -> NextAttempt | FinalState:
    """Return what follows an attempt, the `attempts`-th of its notification."""
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
    """Parameters of every delivery, beside its notification.

    public_url      base URL of links to the pages
    source          this system's name in CloudEvents
    allow_private   whether requests may go to private and loopback addresses
    received_at     when the alert came in
    """

    public_url: str
    source: str
    allow_private: bool
    received_at: datetime
