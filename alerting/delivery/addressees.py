"""One outcome of several addressees: of an attempt, and of the notification after its last attempt. Pure.

The channels `email` and `apprise` have addressees. A later attempt goes only to those that earlier ones did not
settle, so nobody gets a notification again because somebody else did not get it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from alerting.delivery.channel import WAITING_OUTCOMES, AddresseeOutcome, Delivery, DeliveryOutcome

_BY_URGENCY = (DeliveryOutcome.UNKNOWN, DeliveryOutcome.FAILED, DeliveryOutcome.GONE, DeliveryOutcome.ABANDONED)
_REACHED = frozenset({DeliveryOutcome.DELIVERED, DeliveryOutcome.PARTIAL})


def combine_outcomes(outcomes: Iterable[DeliveryOutcome]) -> DeliveryOutcome:
    """Return the outcome that all have; PARTIAL if some have DELIVERED; otherwise the one that matters first."""
    distinct = set(outcomes)
    if len(distinct) == 1:
        return distinct.pop()
    if distinct & _REACHED:
        return DeliveryOutcome.PARTIAL
    return next((outcome for outcome in _BY_URGENCY if outcome in distinct), DeliveryOutcome.REFUSED)


def build_delivery(addressees: Sequence[AddresseeOutcome], detail: str, content: bytes) -> Delivery:
    """Return the attempt that came to these outcomes; an attempt without addressees is REFUSED."""
    return Delivery(
        outcome=combine_outcomes(addressee.outcome for addressee in addressees),
        detail=detail,
        content=content,
        addressees=tuple(addressees),
    )


def iter_outcomes(delivery: Delivery) -> Iterator[tuple[str, DeliveryOutcome, str]]:
    """Yield addressee, outcome and detail; the addressee is empty for a channel that has none."""
    if not delivery.addressees:
        yield "", delivery.outcome, delivery.detail
    for entry in delivery.addressees:
        yield entry.addressee, entry.outcome, entry.detail


def is_waiting(delivery: Delivery) -> bool:
    """Whether the attempt has to be repeated for anybody."""
    return any(outcome in WAITING_OUTCOMES for _, outcome, _ in iter_outcomes(delivery))


def combine_with_settled(delivery: Delivery, settled: Mapping[str, DeliveryOutcome]) -> DeliveryOutcome:
    """Return the outcome of the notification: of this attempt and of the addressees that earlier ones settled."""
    return combine_outcomes([*settled.values(), *(outcome for _, outcome, _ in iter_outcomes(delivery))])


def has_reached_anybody(outcome: DeliveryOutcome) -> bool:
    """Whether at least one addressee got it."""
    return outcome in _REACHED
