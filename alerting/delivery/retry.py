"""Decide whether and when a failed delivery is tried again, for every channel. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from msgspec import Struct, structs

from alerting.delivery.addressees import combine_with_settled, is_waiting
from alerting.delivery.channel import Delivery, DeliveryOutcome


class NextAttempt(Struct, frozen=True, kw_only=True):
    """Retry at `at`."""

    at: datetime


class FinalState(Struct, frozen=True, kw_only=True):
    """No further attempt: `state` is the notification's final state in the outbox."""

    state: DeliveryOutcome


# The schedule of Standard Webhooks, for every channel: 5 s to 24 h.
_RETRY_DELAYS = tuple(timedelta(seconds=s) for s in (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400))
MAX_RETRY_AFTER = timedelta(hours=1)  # the other side may ask for more: by then an alert would have lost its use
_FINAL_STATES = {DeliveryOutcome.GONE: DeliveryOutcome.REFUSED, DeliveryOutcome.ABANDONED: DeliveryOutcome.REFUSED}


def plan_next_attempt(
    delivery: Delivery, *, attempts: int, now: datetime, settled: Mapping[str, DeliveryOutcome] | None = None
) -> NextAttempt | FinalState:
    """Return what follows an attempt, the `attempts`-th of its notification.

    A pause that the other side asks for only lengthens the schedule's, to at most MAX_RETRY_AFTER. `settled`: the
    addressees that earlier attempts settled.
    """
    if is_waiting(delivery) and attempts <= len(_RETRY_DELAYS):
        asked_for = min(delivery.retry_after or now, now + MAX_RETRY_AFTER)
        return NextAttempt(at=max(now + _RETRY_DELAYS[attempts - 1], asked_for))
    outcome = combine_with_settled(abandon_waiting(delivery), settled or {})
    return FinalState(state=_FINAL_STATES.get(outcome, outcome))


def abandon_waiting(delivery: Delivery) -> Delivery:
    """Return the last attempt as it is recorded: what failed is not tried again. UNKNOWN stays unknown."""
    addressees = tuple(structs.replace(entry, outcome=_abandon(entry.outcome)) for entry in delivery.addressees)
    return structs.replace(delivery, outcome=_abandon(delivery.outcome), addressees=addressees)


def _abandon(outcome: DeliveryOutcome) -> DeliveryOutcome:
    return DeliveryOutcome.ABANDONED if outcome is DeliveryOutcome.FAILED else outcome
