"""What the public reads, as types: camelCase, RFC 3339 in UTC, unit beside every figure.

The types are the API's schema too: the OpenAPI document is made from them.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from edge_agent.wire import Flag
from gateway.correction import CORRECTIONS, Corrected, Uncorrected, rule_for
from gateway.correction import Correction as Rule
from gateway.live import LiveEvent

LICENCE = "https://creativecommons.org/licenses/by/4.0/"

Instant = Annotated[str, Meta(extra_json_schema={"format": "date-time"}, examples=["2026-11-21T02:40:59.000Z"])]
Id = Annotated[str, Meta(examples=["wijk-aan-zee"])]
CorrectedMean = Annotated[float | None, Meta(description="`mean` by the named correction; null: see `uncorrected`")]
Label = Annotated[str | None, Meta(description="name@version of the rule", examples=["kappa-koehler@1"])]
Why = Annotated[Uncorrected | None, Meta(description="why there is no corrected value", examples=["too_humid"])]
Json = dict[str, Any]


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


class Shape(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """What all of them are: trees, so that the garbage collector need not look at them."""


class Open(Shape, frozen=True, kw_only=True):
    """A whole answer: whose it is, and what one may do with it."""

    licence: Annotated[str, Meta(examples=[LICENCE])] = LICENCE
    attribution: str = "Piekwacht"


class Point(Shape, frozen=True, kw_only=True):
    """CRS84: longitude, latitude."""

    type: Literal["Point"] = "Point"
    coordinates: Annotated[list[float], Meta(min_length=2, max_length=2, examples=[[4.594, 52.494]])]


class AreaProperties(Shape, frozen=True, kw_only=True):
    """An area in words."""

    id: Id
    name: str
    authority: Annotated[str, Meta(description="the inspectorate (omgevingsdienst) whose jurisdiction this is")]


class Area(Open, frozen=True, kw_only=True):
    """The polygon of one jurisdiction, as a GeoJSON Feature."""

    type: Literal["Feature"] = "Feature"
    id: Id
    geometry: Json
    properties: AreaProperties


class SiteProperties(Shape, frozen=True, kw_only=True):
    """A site in words."""

    id: Id
    name: str
    area: Id
    operator: str


class Site(Open, frozen=True, kw_only=True):
    """A watched facility, as a GeoJSON Feature."""

    type: Literal["Feature"] = "Feature"
    id: Id
    geometry: Point
    properties: SiteProperties


class Minute(Shape, frozen=True, kw_only=True):
    """The 60 seconds that end at the newest reading of one property at one station."""

    unit: Annotated[str, Meta(description="UCUM", examples=["ug/m3"])]
    observed_at: Instant
    averaging_seconds: int = 60
    value: Annotated[float | None, Meta(description="the newest reading itself")]
    mean: float | None
    max: float | None
    valid_count: int
    flags: list[str]
    corrected: CorrectedMean = None
    correction: Label = None
    uncorrected: Why = None


class StationProperties(Shape, frozen=True, kw_only=True):
    """A station in words, with what it measures now."""

    id: Id
    name: str
    area: Id
    newest: Annotated[dict[str, Minute], Meta(description="by observed property")]


class Station(Open, frozen=True, kw_only=True):
    """A place where air is measured, as a GeoJSON Feature; its position is rounded to about 100 m."""

    type: Literal["Feature"] = "Feature"
    id: Id
    geometry: Point
    properties: StationProperties


class Areas(Open, frozen=True, kw_only=True):
    """A GeoJSON FeatureCollection."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[Area]


class Sites(Open, frozen=True, kw_only=True):
    """A GeoJSON FeatureCollection."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[Site]


class Stations(Open, frozen=True, kw_only=True):
    """A GeoJSON FeatureCollection."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: Annotated[list[Any], Meta(extra_json_schema={"items": _ref("Station")})]
    next_cursor: str | None = None


class ObservedProperty(Open, frozen=True, kw_only=True):
    """What can be measured; outside [lower, upper] a value is flagged, never dropped."""

    id: Annotated[str, Meta(examples=["pm2_5"])]
    unit: Annotated[str, Meta(description="UCUM", examples=["ug/m3"])]
    name: Annotated[dict[str, str], Meta(description="by language", examples=[{"nl": "fijnstof", "en": "dust"}])]
    lower: float | None
    upper: float | None


class ObservedProperties(Open, frozen=True, kw_only=True):
    """Every one of them."""

    items: list[ObservedProperty]


class Datastream(Open, frozen=True, kw_only=True):
    """One observed property, one node's sensor, one station."""

    id: int
    station: Id
    node: str
    observed_property: str
    unit: str
    created_at: Instant


class Datastreams(Open, frozen=True, kw_only=True):
    """A page of them."""

    items: list[Datastream]
    next_cursor: str | None = None


class Batch(Shape, frozen=True, kw_only=True):
    """The signed batch in which a reading came: its evidence."""

    node: str
    incarnation: str
    seq: int


class Reading(Shape, frozen=True, kw_only=True):
    """One single value."""

    datastream: int
    observed_at: Instant
    value: float | None
    flags: list[str]
    batch: Batch
    corrected: Annotated[float | None, Meta(description="`value` by the page's `correction`; null: see `uncorrected`")]
    uncorrected: Why


class Mean(Shape, frozen=True, kw_only=True):
    """One minute, hour or day; `validCount` of `count` readings had a value."""

    datastream: int
    start: Instant
    count: int
    valid_count: int
    mean: float | None
    min: float | None
    max: float | None
    flags: list[str]
    corrected: CorrectedMean
    uncorrected: Why


class CorrectionName(Shape, frozen=True, kw_only=True):
    """By which rule; all of it is at `/corrections`."""

    name: Annotated[str, Meta(examples=["kappa-koehler"])]
    version: int


class Correction(Open, frozen=True, kw_only=True):
    """A rule for values beside the raw ones, which stay what is stored and alerted on. A change is a new version."""

    name: Annotated[str, Meta(examples=["kappa-koehler"])]
    version: int
    observed_properties: list[str]
    formula: str
    parameters: dict[str, float]
    source: str


class Corrections(Open, frozen=True, kw_only=True):
    """Every one of them."""

    items: list[Correction]


class Observations(Open, frozen=True, kw_only=True):
    """A page of what was measured, newest first. `raw` items are readings, all others are means."""

    station: Id
    observed_property: str
    unit: str
    averaging: Literal["raw", "1min", "1h", "1day"]
    correction: Annotated[
        CorrectionName | None, Meta(description="what `corrected` was made by; null: no rule for this")
    ]
    start: Instant
    end: Instant
    items: Annotated[list[Any], Meta(extra_json_schema={"items": {"anyOf": [_ref("Reading"), _ref("Mean")]}})]
    next_cursor: str | None = None


class Neighbours(Shape, frozen=True, kw_only=True):
    """Stations near by that measured at the time, and those that rose too."""

    fresh: int
    risen: int
    stations: list[str] = []


class Wind(Shape, frozen=True, kw_only=True):
    """Where the wind came from during the event: vector mean, degrees from north; spread in degrees, speed in m/s."""

    direction: float
    spread: float
    speed: float
    readings: int


class Upwind(Shape, frozen=True, kw_only=True):
    """A facility in the sector that the wind came from: degrees from north and metres, as seen from the station."""

    id: str
    name: str
    bearing: float
    distance: float


class Around(Shape, frozen=True, kw_only=True):
    """What stood around an event; null or empty where nothing is known. `words`: a sentence each in nl and en."""

    neighbours: Neighbours | None = None
    wind: Wind | None = None
    upwind: list[Upwind] = []
    words: dict[str, str] = {}


class Event(Open, frozen=True, kw_only=True):
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


class Events(Open, frozen=True, kw_only=True):
    """A page of them, newest onset first."""

    items: list[Event]
    next_cursor: str | None = None


class Revision(Shape, frozen=True, kw_only=True):
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


class Revisions(Open, frozen=True, kw_only=True):
    """Every one of them, oldest first."""

    event: str
    items: list[Revision]


class Alert(Open, frozen=True, kw_only=True):
    """One message about one revision of an event to one inspectorate. Never an address, never a person."""

    id: int
    event: str
    revision: int
    reminder: Annotated[int, Meta(description="0: the first message; 1 and more: reminders")]
    area: Id
    authority: str
    station: Id
    station_name: str
    observed_property: str
    unit: str
    severity: str
    onset: Instant
    peak: float
    receiver: str
    channel: Annotated[str, Meta(examples=["email"])]
    state: str
    created_at: Instant
    finished_at: Instant | None


class Alerts(Open, frozen=True, kw_only=True):
    """A page of them, newest first."""

    items: list[Alert]
    next_cursor: str | None = None


class LiveValue(Shape, frozen=True, kw_only=True):
    """The newest reading of one property at one station, with the minute that ends at it."""

    station: Id
    observed_property: str
    unit: str
    observed_at: Instant
    value: float | None
    mean: float | None
    max: float | None
    valid_count: int
    flags: list[str]
    corrected: CorrectedMean = None
    correction: Label = None
    uncorrected: Why = None


class Landing(Open, frozen=True, kw_only=True):
    """Where everything is."""

    title: str
    version: str
    links: dict[str, str]


class InvalidParameter(Shape, frozen=True, kw_only=True):
    """One thing that was wrong with a request."""

    name: str
    reason: str


class Problem(Shape, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    invalid_params: list[InvalidParameter] = []


def instant(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds and Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def perhaps(at: datetime | None) -> str | None:
    """`instant`, where there is one."""
    return None if at is None else instant(at)


def flag_names(bits: int) -> list[str]:
    """The names of the flags that are set."""
    return [str(flag.name).lower() for flag in Flag if bits & flag] if bits else []


def point(longitude: float, latitude: float) -> Point:
    """A place, at most some 100 m precise."""
    return Point(coordinates=[round(longitude, 3), round(latitude, 3)])


def reading(row: Sequence[Any], corrected: Corrected) -> Reading:
    """A row of `raw`."""
    datastream, observed_at, value, flags, _, node, incarnation, seq = row
    return Reading(
        datastream=datastream,
        observed_at=instant(observed_at),
        value=value,
        flags=flag_names(flags),
        batch=Batch(node=node, incarnation=incarnation, seq=seq),
        corrected=corrected[0],
        uncorrected=corrected[1],
    )


def beside(minute: Minute, rule: Rule, corrected: Corrected) -> Minute:
    """The minute with what a correction makes of its mean."""
    value, why = corrected
    return replace(minute, corrected=value, correction=None if value is None else rule.label, uncorrected=why)


def correction_of(observed_property: str) -> CorrectionName | None:
    """The rule for it, by name."""
    rule = rule_for(observed_property)
    return None if rule is None else CorrectionName(name=rule.name, version=rule.version)


def corrections(attribution: str) -> Corrections:
    """Every rule, described."""
    items = [
        Correction(
            name=one.name,
            version=one.version,
            observed_properties=list(one.properties),
            formula=one.formula,
            parameters=dict(one.parameters),
            source=one.source,
            attribution=attribution,
        )
        for one in CORRECTIONS
    ]
    return Corrections(items=items, attribution=attribution)


def mean(row: Sequence[Any], corrected: Corrected) -> Mean:
    """A row of `means_*`."""
    datastream, bucket, count, valid, average, smallest, largest, flags = row
    return Mean(
        datastream=datastream,
        start=instant(bucket),
        count=count,
        valid_count=valid,
        mean=average,
        min=smallest,
        max=largest,
        flags=flag_names(flags),
        corrected=corrected[0],
        uncorrected=corrected[1],
    )


def event(row: Sequence[Any], attribution: str) -> Event:
    """A row of `events`."""
    fields = _named(Event, row)
    around = msgspec.convert(fields.pop("around"), Around)
    return Event(**fields, around=around, attribution=attribution)


def alert(row: Sequence[Any], attribution: str) -> Alert:
    """A row of `alerts`."""
    return Alert(**_named(Alert, row), attribution=attribution)


def live_value(station: str, observed_property: str, minute: Minute) -> LiveValue:
    """What the live feed says of one property at one station."""
    return LiveValue(
        station=station,
        observed_property=observed_property,
        unit=minute.unit,
        observed_at=minute.observed_at,
        value=minute.value,
        mean=minute.mean,
        max=minute.max,
        valid_count=minute.valid_count,
        flags=minute.flags,
        corrected=minute.corrected,
        correction=minute.correction,
        uncorrected=minute.uncorrected,
    )


def live_event(one: LiveEvent, station_name: str, changed_at: datetime, attribution: str) -> Event:
    """What the live feed says of one revision of an event: the same as the API."""
    found = one.event
    return Event(
        id=found.id,
        revision=found.revision,
        change=found.change.value,
        kind=found.kind.value,
        area=one.area,
        station=found.station,
        station_name=station_name,
        observed_property=found.observed_property,
        unit=one.unit,
        severity=one.severity,  # type: ignore[arg-type]
        onset=instant(found.onset),
        peak_at=instant(found.peak_at),
        detected_at=instant(found.detected_at),
        end=perhaps(found.end),
        peak=found.peak,
        background=found.background,
        excess=found.excess,
        confidence=found.confidence,
        reasons=list(found.reasons),
        detector=found.detector,
        detected_late=found.detected_late,
        changed_at=instant(changed_at),
        merged_into=found.merged_into,
        around=msgspec.convert(msgspec.to_builtins({n: getattr(found, n) for n in Around.__struct_fields__}), Around),
        attribution=attribution,
    )


def _named(kind: type[Open], row: Sequence[Any]) -> dict[str, Any]:
    """The row's values by the type's own fields, which stand in the query's order."""
    fields = [name for name in kind.__struct_fields__ if name not in Open.__struct_fields__]
    return {
        name: instant(value) if isinstance(value, datetime) else value for name, value in zip(fields, row, strict=True)
    }


def revision(row: Sequence[Any]) -> Revision:
    """A row of `revisions`; the body is the detector's own record."""
    number, changed_at, body = row
    return Revision(
        revision=number,
        changed_at=instant(changed_at),
        onset=instant(datetime.fromisoformat(body["onset"])),
        end=None if body.get("end") is None else instant(datetime.fromisoformat(body["end"])),
        **{name: body[name] for name in ("change", "kind", "peak", "background", "excess", "confidence")},
    )
