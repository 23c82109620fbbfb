"""Types of events: one event, its context (neighbours, wind, facilities upwind) and its revisions."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from alerting.alert import peak_averaging
from gateway.api.schemas.schema import (
    Id,
    Instant,
    Json,
    LicensedDocument,
    Schema,
    format_instants,
    format_optional_instant,
)
from gateway.live.message import LiveEvent
from gateway.model.timestamps import format_instant

PeakAveraging = Annotated[
    Literal["raw", "area"],
    Meta(description="what `peak` is: a single reading (`raw`), or a figure computed over the area (`area`)"),
]


class Neighbours(Schema, frozen=True, kw_only=True):
    """Nearby stations: `fresh` had valid readings at that time, `risen` of them rose too within `window` seconds.

    A neighbour rose too if its own rise began within the time that a plume travels from one station to the other.
    """

    fresh: Annotated[int, Meta(description="neighbours with valid readings at that time")]
    risen: Annotated[int, Meta(description="of these, how many rose too; they fell if the signal falls")]
    window: Annotated[
        int, Meta(description="longest time in s between two beginnings that counts; 0: unknown, of an older event")
    ] = 0
    stations: list[str] = msgspec.field(default_factory=list)


class Wind(Schema, frozen=True, kw_only=True):
    """Wind during the event: vector mean direction in degrees from north, spread in degrees, speed in m/s."""

    direction: float
    spread: float
    speed: float
    readings: int


class Upwind(Schema, frozen=True, kw_only=True):
    """A facility in the sector of the wind: bearing in degrees from north and distance in m, from the station."""

    id: str
    name: str
    bearing: float
    distance: float


class Around(Schema, frozen=True, kw_only=True):
    """Context of an event; null or empty if unknown. `words`: one sentence per language, nl and en."""

    neighbours: Neighbours | None = None
    wind: Wind | None = None
    upwind: list[Upwind] = msgspec.field(default_factory=list)
    words: dict[str, str] = msgspec.field(default_factory=dict)


UNREADABLE_AROUND = Around(
    words={"nl": "De opgeslagen omgeving is niet te lezen.", "en": "The stored surroundings cannot be read."}
)


class PublicFalseAlarm(Schema, frozen=True, kw_only=True):
    """An inspector judged that it was no peak. The cause is public; who it was and what they noted is not."""

    cause: Literal["sensor_fault", "work", "local_source", "weather", "other"]
    stated_at: Instant


class Event(LicensedDocument, frozen=True, kw_only=True):
    """An interval in which a detector's condition held. Values are in `unit`; `end` null: it goes on."""

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
    peak: Annotated[float, Meta(description="the highest or lowest value; what it is, `peakAveraging` says")]
    peak_averaging: PeakAveraging
    background: float
    excess: float
    confidence: Annotated[float, Meta(description="about 80 % of the events with 0.8 are real")]
    reasons: list[str]
    detector: str
    detected_late: bool
    changed_at: Instant
    merged_into: Annotated[str | None, Meta(description="the regional event that this one became part of")] = None
    plume: Annotated[str | None, Meta(description="the plume that it belongs to; null: of a doubtful kind")] = None
    around: Annotated[Around, Meta(description="context; it hints at a source but proves nothing")] = Around()
    false_alarm: Annotated[
        PublicFalseAlarm | None, Meta(description="`change` is then `voided`, by an inspector and not by the detector")
    ] = None


class Events(LicensedDocument, frozen=True, kw_only=True):
    """A page of events, newest onset first."""

    items: list[Event]
    next_cursor: str | None = None


class Revision(Schema, frozen=True, kw_only=True):
    """One revision of an event."""

    revision: int
    changed_at: Instant
    change: str
    kind: str
    peak: float
    peak_averaging: PeakAveraging
    background: float
    excess: float
    confidence: float
    onset: Instant
    end: Instant | None


class Revisions(LicensedDocument, frozen=True, kw_only=True):
    """Every revision of an event, oldest first."""

    event: str
    items: list[Revision]


def event_from_columns(
    attribution: str,
    *,
    around: Json,
    false_alarm_cause: str | None = None,
    false_alarm_at: datetime | None = None,
    **columns: Any,  # noqa: ANN401 - of any column
) -> Event:
    """A row of the query `select_events`."""
    return Event(
        **format_instants(columns),
        peak_averaging=peak_averaging(columns["kind"]),
        around=_read_around(around),
        false_alarm=build_false_alarm(false_alarm_cause, false_alarm_at),
        attribution=attribution,
    )


def build_false_alarm(cause: str | None, stated_at: datetime | None) -> PublicFalseAlarm | None:
    """The judgement of an inspector; None without one."""
    if cause is None or stated_at is None:
        return None
    return PublicFalseAlarm(cause=cause, stated_at=format_instant(stated_at))  # type: ignore[arg-type]


def _read_around(document: Json) -> Around:
    """The stored context. A damaged document costs its own event the context, and no other event anything."""
    try:
        return msgspec.convert(document, Around)
    except msgspec.ValidationError:
        return UNREADABLE_AROUND


def build_live_event(live: LiveEvent, station_name: str, changed_at: datetime, attribution: str) -> Event:
    """A revision of an event from the live feed, with the same fields as in the API."""
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
        peak_averaging=peak_averaging(event.kind.value),
        background=event.background,
        excess=event.excess,
        confidence=event.confidence,
        reasons=list(event.reasons),
        detector=event.detector,
        detected_late=event.detected_late,
        changed_at=format_instant(changed_at),
        merged_into=event.merged_into,
        plume=live.plume,
        around=msgspec.convert(msgspec.to_builtins({n: getattr(event, n) for n in Around.__struct_fields__}), Around),
        attribution=attribution,
    )


def revision_from_columns(*, revision: int, changed_at: datetime, body: Json) -> Revision:
    """A row of the query `select_revisions`; `body` is the detector's record of the event."""
    return Revision(
        revision=revision,
        changed_at=format_instant(changed_at),
        peak_averaging=peak_averaging(body["kind"]),
        onset=format_instant(datetime.fromisoformat(body["onset"])),
        end=None if body.get("end") is None else format_instant(datetime.fromisoformat(body["end"])),
        **{name: body[name] for name in ("change", "kind", "peak", "background", "excess", "confidence")},
    )
