"""Decide whether and when a failed delivery is tried again, for every channel. Pure."""

from datetime import datetime, timedelta

from msgspec import Struct

from alerting.delivery.channel import Delivery, DeliveryOutcome


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
