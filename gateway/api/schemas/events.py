"""Events: what was seen, what stood around it, and what was said of it before."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from gateway.api.schemas.schema import (
    Id,
    Instant,
    LicensedDocument,
    Schema,
    fields_from_row,
    format_instant,
    format_optional_instant,
)
from gateway.live.message import LiveEvent


class Neighbours(Schema, frozen=True, kw_only=True):
    """Stations near by that measured at the time, and those that rose too."""

    fresh: int
    risen: int
    stations: list[str] = msgspec.field(default_factory=list)


class Wind(Schema, frozen=True, kw_only=True):
    """Where the wind came from during the event: vector mean, degrees from north; spread in degrees, speed in m/s."""

    direction: float
    spread: float
    speed: float
    readings: int


class Upwind(Schema, frozen=True, kw_only=True):
    """A facility in the sector that the wind came from: degrees from north and metres, as seen from the station."""

    id: str
    name: str
    bearing: float
    distance: float


class Around(Schema, frozen=True, kw_only=True):
    """What stood around an event; null or empty where nothing is known. `words`: a sentence each in nl and en."""

    neighbours: Neighbours | None = None
    wind: Wind | None = None
    upwind: list[Upwind] = msgspec.field(default_factory=list)
    words: dict[str, str] = msgspec.field(default_factory=dict)


class Event(LicensedDocument, frozen=True, kw_only=True):
    """An interval in which a detector's condition held. Figures are in `unit`; `end` null: not over."""

    id: Annotated[str, Meta(examples=["r7zq4ogyzxa5hm3t"])]
    revision: int
    change: Literal["opened", "updated", "ended", "voided", "merged"]
    kind: Annotated[str, Meta(examples=["peak"])]
    area: Id
    station: Id
    station_name: str
    observed_property: str
    unit: str
    severity: Literal["minor", "moderate", "severe", "extreme"]
    onset: Instant
    peak_at: Instant
    detected_at: Instant
    end: Instant | None
    peak: float
    background: float
    excess: float
    confidence: Annotated[float, Meta(description="of events with 0.8 about 80 % are real")]
    reasons: list[str]
    detector: str
    detected_late: bool
    changed_at: Instant
    merged_into: Annotated[str | None, Meta(description="the regional event that this was the beginning of")] = None
    around: Annotated[Around, Meta(description="what else was seen; says where to look, proves nothing")] = Around()


class Events(LicensedDocument, frozen=True, kw_only=True):
    """A page of them, newest onset first."""

    items: list[Event]
    next_cursor: str | None = None


class Revision(Schema, frozen=True, kw_only=True):
    """What was said of an event at one moment."""

    revision: int
    changed_at: Instant
    change: str
    kind: str
    peak: float
    background: float
    excess: float
    confidence: float
    onset: Instant
    end: Instant | None


class Revisions(LicensedDocument, frozen=True, kw_only=True):
    """Every one of them, oldest first."""

    event: str
    items: list[Revision]


def event_from_row(row: Sequence[Any], attribution: str) -> Event:
    """A row of `events`."""
    fields = fields_from_row(Event, row)
    around = msgspec.convert(fields.pop("around"), Around)
    return Event(**fields, around=around, attribution=attribution)


def build_live_event(live: LiveEvent, station_name: str, changed_at: datetime, attribution: str) -> Event:
    """What the live feed says of one revision of an event: the same as the API."""
    event = live.event
    return Event(
        id=event.id,
        revision=event.revision,
        change=event.change.value,
        kind=event.kind.value,
        area=live.area,
        station=event.station,
        station_name=station_name,
        observed_property=event.observed_property,
        unit=live.unit,
        severity=live.severity,  # type: ignore[arg-type]
        onset=format_instant(event.onset),
        peak_at=format_instant(event.peak_at),
        detected_at=format_instant(event.detected_at),
        end=format_optional_instant(event.end),
        peak=event.peak,
        background=event.background,
        excess=event.excess,
        confidence=event.confidence,
        reasons=list(event.reasons),
        detector=event.detector,
        detected_late=event.detected_late,
        changed_at=format_instant(changed_at),
        merged_into=event.merged_into,
        around=msgspec.convert(msgspec.to_builtins({n: getattr(event, n) for n in Around.__struct_fields__}), Around),
        attribution=attribution,
    )


def revision_from_row(row: Sequence[Any]) -> Revision:
    """A row of `revisions`; the body is the detector's own record."""
    number, changed_at, body = row
    return Revision(
        revision=number,
        changed_at=format_instant(changed_at),
        onset=format_instant(datetime.fromisoformat(body["onset"])),
        end=None if body.get("end") is None else format_instant(datetime.fromisoformat(body["end"])),
        **{name: body[name] for name in ("change", "kind", "peak", "background", "excess", "confidence")},
    )
