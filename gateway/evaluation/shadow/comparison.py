"""Compare the events of two detectors on the same readings. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from msgspec import Struct

from gateway.model.event import Event

_OPEN_END = datetime.max.replace(tzinfo=UTC)


class EventPair(Struct, frozen=True, kw_only=True):
    """One peak as both detectors report it."""

    live: Event
    shadow: Event


class Comparison(Struct, frozen=True, kw_only=True):
    """Every valid peak of either detector, once."""

    agreed: tuple[EventPair, ...]
    only_live: tuple[Event, ...]
    only_shadow: tuple[Event, ...]


def compare_events(live: Iterable[Event], shadow: Iterable[Event]) -> Comparison:
    """Peaks of the same station and property that overlap in time count as one; several may match one."""
    live_events, shadow_events = (
        [candidate for candidate in events if candidate.is_valid_peak] for events in (live, shadow)
    )
    events_by_place: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in shadow_events:
        events_by_place[event.station, event.observed_property].append(event)
    agreed, only_live, matched_ids = [], [], set[str]()
    for event in live_events:
        overlapping = [
            candidate
            for candidate in events_by_place[event.station, event.observed_property]
            if _overlap(event, candidate)
        ]
        if not overlapping:
            only_live.append(event)
            continue
        matched_ids.update(candidate.id for candidate in overlapping)
        agreed.append(EventPair(live=event, shadow=_nearest(event, overlapping)))
    return Comparison(
        agreed=tuple(agreed),
        only_live=tuple(only_live),
        only_shadow=tuple(candidate for candidate in shadow_events if candidate.id not in matched_ids),
    )


def _overlap(first: Event, second: Event) -> bool:
    return first.onset <= (second.end or _OPEN_END) and second.onset <= (first.end or _OPEN_END)


def _nearest(event: Event, candidates: Sequence[Event]) -> Event:
    return min(candidates, key=lambda candidate: (abs(candidate.onset - event.onset), candidate.id))
