"""How many persons complained of each event, from a comparison; counts alone, so that they can be stored. Pure.

In public a number below five is "fewer than five": with a time and a place it could show who complained.
"""

from collections.abc import Sequence

from msgspec import Struct

from gateway.reconciliation.complaint import Complaint
from gateway.reconciliation.fit import MeasuredEvent

FEWEST_PERSONS = 5


class EventCount(Struct, frozen=True, kw_only=True):
    """Persons with a fitting complaint of one event.

    persons       those who complained before residents were notified of the event, or of whom nobody was notified
    after_notice  those who complained only after that
    """

    event: str
    persons: int
    after_notice: int


def count_by_event(
    complaints: Sequence[Complaint], events: Sequence[MeasuredEvent], events_by_complaint: Sequence[Sequence[str]]
) -> list[EventCount]:
    """Return the events with at least one fitting complaint. `events_by_complaint`: of the comparison."""
    by_id = {event.id: event for event in events}
    before, after = dict[str, set[str]](), dict[str, set[str]]()
    for complaint, ids in zip(complaints, events_by_complaint, strict=True):
        for id_ in ids:
            notified_at = by_id[id_].notified_at
            group = before if notified_at is None or complaint.at < notified_at else after
            group.setdefault(id_, set()).add(complaint.person)
    return [
        EventCount(
            event=id_,
            persons=len(before.get(id_, set())),
            after_notice=len(after.get(id_, set()) - before.get(id_, set())),
        )
        for id_ in sorted(before.keys() | after.keys())
    ]


def public_count(count: int) -> int | None:
    """Return the count as it may be published: None for fewer than five."""
    return count if count >= FEWEST_PERSONS else None
