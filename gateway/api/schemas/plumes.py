"""Types of plumes: the events that belong together, with one leading event, and who was notified of any of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from alerting import plume as model
from alerting.alert import peak_averaging
from gateway.api.schemas.events import PeakAveraging, PublicFalseAlarm
from gateway.api.schemas.schema import Id, Instant, LicensedDocument, Schema, format_optional_instant
from gateway.model.timestamps import format_instant

SeverityName = Literal["minor", "moderate", "severe", "extreme"]


class PlumeEvent(Schema, frozen=True, kw_only=True):
    """One event of a plume: one property at one station, as in `/events/{id}`."""

    id: str
    revision: int
    change: Literal["opened", "updated", "ended", "voided", "merged"]
    kind: str
    station: Id
    station_name: str
    observed_property: str
    unit: str
    severity: SeverityName
    onset: Instant
    peak_at: Instant
    detected_at: Instant
    end: Instant | None
    peak: float
    peak_averaging: PeakAveraging
    background: float
    excess: float
    confidence: float
    detector: str
    detected_late: bool
    merged_into: str | None


class PlumeStation(Schema, frozen=True, kw_only=True):
    """One station that a plume reached: from its first onset to its last end there. `leading`: its worst event."""

    id: Id
    name: str
    onset: Instant
    end: Instant | None
    leading: str


class PlumeReceiver(Schema, frozen=True, kw_only=True):
    """An inspectorate's receiver that was notified of an event of the plume. Never an address or a person."""

    receiver: str
    state: Annotated[str, Meta(description="of the earliest delivered notification, else of the newest one")]
    notified_at: Annotated[Instant | None, Meta(description="the earliest delivery; null: none was delivered yet")]


class Plume(LicensedDocument, frozen=True, kw_only=True):
    """Events that belong together, over stations and properties, as one thing with one permanent id."""

    id: Annotated[str, Meta(description="that of the event it began with; permanent", examples=["r7zq4ogyzxa5hm3t"])]
    revision: Annotated[
        int, Meta(description="number of stored revisions of its events and of judgements; it only grows")
    ]
    state: Annotated[
        Literal["ongoing", "over", "voided"], Meta(description="voided: later readings disproved all its events")
    ]
    kind: Annotated[str, Meta(examples=["peak"])]
    area: Id
    severity: SeverityName
    confidence: Annotated[float, Meta(description="the highest of its events that were not disproved")]
    onset: Instant
    end: Instant | None
    detected_at: Instant
    changed_at: Annotated[Instant, Meta(description="newest change of an event, a notification or an acknowledgement")]
    leading: Annotated[str, Meta(description="the event that stands for the plume; `events` begins with it")]
    properties: Annotated[list[str], Meta(description="what rose or fell, the leading property first")]
    stations: Annotated[list[PlumeStation], Meta(description="that of the leading event, then the others by onset")]
    events: list[PlumeEvent]
    notified: list[PlumeReceiver]
    acknowledged_at: Annotated[Instant | None, Meta(description="the first acknowledgement of any of its events")]
    merged_into: Annotated[str | None, Meta(description="the regional event that all its events became part of")] = None
    false_alarm: Annotated[
        PublicFalseAlarm | None, Meta(description="an inspector's judgement; the events that it covers are `voided`")
    ] = None


class Plumes(LicensedDocument, frozen=True, kw_only=True):
    """A page of plumes, newest first."""

    items: list[Plume]
    next_cursor: str | None = None


def build_plume_document(
    plume: model.Plume,
    changed_at: datetime,
    notified: Sequence[PlumeReceiver],
    acknowledged_at: datetime | None,
    attribution: str,
    *,
    false_alarm: PublicFalseAlarm | None = None,
    judgements: int = 0,
) -> Plume:
    """A plume as the API shows it. `judgements`: how often inspectors stated or withdrew a false alarm."""
    return Plume(
        id=plume.id,
        revision=plume.revision + judgements,
        state=plume.state.value,
        kind=plume.leading.kind,
        area=plume.area,
        severity=plume.severity.value,
        confidence=plume.confidence,
        onset=format_instant(plume.onset),
        end=format_optional_instant(plume.end),
        detected_at=format_instant(plume.detected_at),
        changed_at=format_instant(changed_at),
        leading=plume.leading.id,
        properties=[event.observed_property for event in plume.properties],
        stations=[_build_station(plume, id_) for id_ in plume.stations],
        events=[_build_event(event) for event in plume.events],
        notified=list(notified),
        acknowledged_at=format_optional_instant(acknowledged_at),
        merged_into=plume.merged_into,
        false_alarm=false_alarm,
        attribution=attribution,
    )


def _build_station(plume: model.Plume, id_: str) -> PlumeStation:
    events = [event for event in plume.counted if event.station == id_]
    ends = [event.end for event in events]
    return PlumeStation(
        id=id_,
        name=events[0].station_name,
        onset=format_instant(min(event.onset for event in events)),
        end=None if None in ends else format_instant(max(end for end in ends if end is not None)),
        leading=events[0].id,
    )


def _build_event(event: model.PlumeEvent) -> PlumeEvent:
    return PlumeEvent(
        id=event.id,
        revision=event.revision,
        change=event.change,  # type: ignore[arg-type]
        kind=event.kind,
        station=event.station,
        station_name=event.station_name,
        observed_property=event.observed_property,
        unit=event.unit,
        severity=event.severity.value,
        onset=format_instant(event.onset),
        peak_at=format_instant(event.peak_at),
        detected_at=format_instant(event.detected_at),
        end=format_optional_instant(event.end),
        peak=event.peak,
        peak_averaging=peak_averaging(event.kind),
        background=event.background,
        excess=event.excess,
        confidence=event.confidence,
        detector=event.detector,
        detected_late=event.detected_late,
        merged_into=event.merged_into,
    )
