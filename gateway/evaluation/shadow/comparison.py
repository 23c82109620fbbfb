"""What two detectors found in the same readings: what both saw, and what only one did. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from msgspec import Struct

from gateway.model.event import Event

_FAR = datetime.max.replace(tzinfo=UTC)


class Pair(Struct, frozen=True, kw_only=True):
    """The same peak, as the live detector and as the shadow saw it."""

    live: Event
    shadow: Event


class Comparison(Struct, frozen=True, kw_only=True):
    """Every standing peak of either detector, once."""

    agreed: tuple[Pair, ...]
    only_live: tuple[Event, ...]
    only_shadow: tuple[Event, ...]


def compare(live: Iterable[Event], shadow: Iterable[Event]) -> Comparison:
    """Peaks of the same station and property that overlap in time are the same one; more than one may meet one."""
    ours, theirs = ([e for e in found if e.stands] for found in (live, shadow))
    places: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in theirs:
        places[event.station, event.observed_property].append(event)
    agreed, only_live, met = [], [], set[str]()
    for event in ours:
        same = [e for e in places[event.station, event.observed_property] if _overlap(event, e)]
        if not same:
            only_live.append(event)
            continue
        met.update(e.id for e in same)
        agreed.append(Pair(live=event, shadow=_nearest(event, same)))
    return Comparison(
        agreed=tuple(agreed), only_live=tuple(only_live), only_shadow=tuple(e for e in theirs if e.id not in met)
    )


def _overlap(one: Event, other: Event) -> bool:
    return one.onset <= (other.end or _FAR) and other.onset <= (one.end or _FAR)


def _nearest(event: Event, others: Sequence[Event]) -> Event:
    return min(others, key=lambda e: (abs(e.onset - event.onset), e.id))
