"""Which plume a new event belongs to. Pure; `gateway/store/plumes.py` calls it when events are stored.

An event joins the plume of an earlier or simultaneous event of its area (docs/adr/0133):

    same station      the two events overlap, or at most five minutes lie between them: several properties rise
                      together, or one property flickers
    other station     the same property, and one of the two events names the other's station among the neighbours that
                      rose within the time that a plume travels between them, and their onsets are that close

A plume takes in no event that begins more than six hours after it. Events that cover an area join only one another.
Without such an event it begins a plume, which gets its id. Once in a plume, an event stays there: ids are permanent.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from msgspec import Struct, structs

from alerting.plume import PUBLIC_KINDS
from gateway.model.event import Event, EventChange

CALM = timedelta(minutes=5)
LONGEST = timedelta(hours=6)
WIDEST_WINDOW = timedelta(minutes=15)  # of the detector, between the rises of two neighbours
_RESOLUTION = timedelta(seconds=60)  # sampling interval of slow sensors: the neighbour's onset is known to it


class StoredPlumeEvent(Struct, frozen=True, kw_only=True):
    """An event with its plume. `plume_onset`: when the event began that the plume is named after.

    risen_stations  the neighbours that rose with it, within `window` seconds
    """

    plume: str
    plume_onset: datetime
    id: str
    area: str
    kind: str
    change: str
    station: str
    observed_property: str
    onset: datetime
    end: datetime | None
    risen_stations: Sequence[str] = ()
    window: int = 0


def choose_plumes(events: Iterable[tuple[str, Event]], stored: Sequence[StoredPlumeEvent]) -> dict[str, str]:
    """Return event id -> plume id of new events (each with its area), in the order of their onsets."""
    members = [member for member in stored if member.change != EventChange.VOIDED.value]
    chosen: dict[str, str] = {}
    for area, event in sorted(events, key=lambda pair: (pair[1].onset, pair[1].id)):
        candidate = _describe(area, event)
        nearest = min(
            (member for member in members if _belongs_to(candidate, member)),
            key=lambda member: _distance(candidate, member),
            default=None,
        )
        if nearest is not None:
            candidate = structs.replace(candidate, plume=nearest.plume, plume_onset=nearest.plume_onset)
        members.append(candidate)
        chosen[event.id] = candidate.plume
    return chosen


def is_public(event: Event) -> bool:
    """Whether an event of this kind belongs to a plume."""
    return event.kind.value in PUBLIC_KINDS


def _describe(area: str, event: Event) -> StoredPlumeEvent:
    neighbours = event.neighbours
    return StoredPlumeEvent(
        plume=event.id,
        plume_onset=event.onset,
        id=event.id,
        area=area,
        kind=event.kind.value,
        change=event.change.value,
        station=event.station,
        observed_property=event.observed_property,
        onset=event.onset,
        end=event.end,
        risen_stations=neighbours.stations if neighbours else (),
        window=neighbours.window if neighbours else 0,
    )


def _belongs_to(event: StoredPlumeEvent, member: StoredPlumeEvent) -> bool:
    if event.area != member.area or event.kind != member.kind or event.onset - member.plume_onset > LONGEST:
        return False
    if event.station == member.station or event.kind == "regional":
        return _are_adjacent(event, member)
    return event.observed_property == member.observed_property and (
        _rose_with(event, member) or _rose_with(member, event)
    )


def _are_adjacent(event: StoredPlumeEvent, member: StoredPlumeEvent) -> bool:
    """Whether the two overlap, or at most five minutes lie between them; an open event has no end."""
    first, second = sorted((event, member), key=lambda either: either.onset)
    return first.end is None or second.onset - first.end <= CALM


def _rose_with(event: StoredPlumeEvent, other: StoredPlumeEvent) -> bool:
    """Whether the detector named the other's station, and the other's onset is the rise that it meant."""
    window = timedelta(seconds=event.window) + _RESOLUTION
    return other.station in event.risen_stations and abs(event.onset - other.onset) <= window


def _distance(event: StoredPlumeEvent, member: StoredPlumeEvent) -> tuple[bool, timedelta, datetime, str]:
    """An event at the same station is nearest; then the one whose onset is; then the older plume."""
    return event.station != member.station, abs(event.onset - member.onset), member.plume_onset, member.plume
