"""A plume: the events that belong together, over stations and properties, as one thing with one leading event. Pure.

Alerting and the gateway use the same type, so that a mail, a page, a feed and the API lead with the same figure. Which
events belong together is decided once, when the gateway stores them (`gateway/model/plume_membership.py`). The id of a
plume is the id of the event that it began with; it never changes.

The leading event, by one rule: the most severe; of equals the property that comes first in the registry; of equals the
highest excess; then the earliest onset. An event of a guest's station leads only if no other station has one. An event
that was disproved leads only if all of them were.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from msgspec import Struct

from alerting.alert import Alert, Change, Severity, is_guest_station

PUBLIC_KINDS = frozenset({"peak", "regional"})  # the other kinds are doubtful: an event that becomes one was no plume


_VOIDED = Change.VOIDED.value


class PlumeState(StrEnum):
    """Whether a plume goes on, is over, or was disproved as a whole."""

    ONGOING = "ongoing"
    OVER = "over"
    VOIDED = "voided"


class PlumeEvent(Struct, frozen=True, kw_only=True):
    """One event of a plume, by its newest revision. Values are in `unit` (UCUM); times are UTC.

    property_order  position of the property in the registry; the smallest comes first
    change          opened, updated, ended, voided or merged
    merged_into     the regional event that it became part of
    """

    id: str
    revision: int
    change: str
    kind: str = "peak"
    station: str
    station_name: str
    observed_property: str
    property_order: int = 0
    unit: str
    severity: Severity
    onset: datetime
    peak_at: datetime
    detected_at: datetime
    end: datetime | None = None
    peak: float
    background: float
    excess: float
    confidence: float
    detector: str = ""
    detected_late: bool = False
    merged_into: str | None = None

    @property
    def counts(self) -> bool:
        """Whether it is a peak that later readings did not disprove."""
        return self.change != _VOIDED and self.kind in PUBLIC_KINDS

    @property
    def is_open(self) -> bool:
        """Whether it goes on."""
        return self.counts and self.end is None

    @property
    def falls(self) -> bool:
        """Whether the signal fell: some raw signals do when the air gets worse."""
        return self.peak < self.background


class Plume(Struct, frozen=True, kw_only=True, dict=True):
    """One plume. `events` are in the order of their rank, the leading event first; there is at least one."""

    id: str
    area: str
    events: tuple[PlumeEvent, ...]

    @property
    def leading(self) -> PlumeEvent:
        """The event whose property, value, severity and station stand for the whole plume."""
        return self.events[0]

    @cached_property
    def counted(self) -> Sequence[PlumeEvent]:
        """The events that count; of a voided plume all of them."""
        return [event for event in self.events if event.counts] or self.events

    @property
    def corrected(self) -> Sequence[PlumeEvent]:
        """The events that were disproved."""
        return [event for event in self.events if not event.counts]

    @property
    def state(self) -> PlumeState:
        """Ongoing while one of its events is; voided if all of them were disproved."""
        if not self.counted[0].counts:
            return PlumeState.VOIDED
        return PlumeState.ONGOING if any(event.end is None for event in self.counted) else PlumeState.OVER

    @property
    def severity(self) -> Severity:
        """The severity of the leading event: the highest, but for events of guests beside others."""
        return self.leading.severity

    @property
    def confidence(self) -> float:
        """The highest of its events' confidences: that there is a plume at all."""
        return max(event.confidence for event in self.counted)

    @property
    def onset(self) -> datetime:
        """When its first event began."""
        return min(event.onset for event in self.counted)

    @property
    def detected_at(self) -> datetime:
        """When its first event was detected."""
        return min(event.detected_at for event in self.counted)

    @property
    def end(self) -> datetime | None:
        """When its last event ended; None while one goes on."""
        if self.state is PlumeState.ONGOING:
            return None
        return max(event.end or event.peak_at for event in self.counted)

    @property
    def revision(self) -> int:
        """The number of stored revisions of all its events: it grows with every change."""
        return sum(event.revision for event in self.events)

    @property
    def merged_into(self) -> str | None:
        """The regional event that all of its events became part of; None if there is none."""
        targets = {event.merged_into for event in self.counted}
        return targets.pop() if len(targets) == 1 else None

    @property
    def stations(self) -> Sequence[str]:
        """The ids of its stations: that of the leading event, then the others by onset."""
        by_onset = sorted(self.counted, key=lambda event: (event.onset, event.station))
        return list(dict.fromkeys([self.leading.station, *(event.station for event in by_onset)]))

    @property
    def properties(self) -> Sequence[PlumeEvent]:
        """The leading event of each property, in the order of their rank."""
        return _first_of_each([(event.observed_property, event) for event in self.counted])

    def lead_station(self, station: str) -> PlumeEvent | None:
        """Return the leading event of one station; None if the plume has no event there."""
        return next((event for event in self.counted if event.station == station), None)


def build_plume(id_: str, area: str, events: Iterable[PlumeEvent]) -> Plume:
    """Build a plume from its events in any order. Raises ValueError without events."""
    ranked = tuple(sorted(events, key=rank_event))
    if not ranked:
        raise ValueError(f"plume {id_}: it has no events")
    return Plume(id=id_, area=area, events=ranked)


def rank_event(event: PlumeEvent) -> tuple[bool, bool, int, int, float, datetime, str]:
    """Return the key by which events of one plume are ordered; the smallest leads."""
    return (
        not event.counts,
        is_guest_station(event.station),
        -event.severity.rank,
        event.property_order,
        -event.excess,
        event.onset,
        event.id,
    )


def event_of_alert(alert: Alert) -> PlumeEvent:
    """Return the event of an alert. Without the time of its end it ended when it was detected."""
    return PlumeEvent(
        id=alert.event_id,
        revision=alert.revision,
        change=alert.change.value,
        kind=alert.kind,
        station=alert.station,
        station_name=alert.place.name,
        observed_property=alert.observed_property,
        property_order=alert.property_order,
        unit=alert.unit,
        severity=alert.severity,
        onset=alert.onset,
        peak_at=alert.peak_at,
        detected_at=alert.detected_at,
        end=None if alert.firing else alert.end or alert.detected_at,
        peak=alert.peak,
        background=alert.background,
        excess=alert.excess,
        confidence=alert.confidence,
        detector=alert.detector,
        detected_late=alert.detected_late,
    )


def _first_of_each(pairs: Iterable[tuple[str, PlumeEvent]]) -> Sequence[PlumeEvent]:
    first: dict[str, PlumeEvent] = {}
    for key, event in pairs:
        first.setdefault(key, event)
    return list(first.values())
