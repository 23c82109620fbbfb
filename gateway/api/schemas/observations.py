"""Types of observations: the newest minute, single readings, means, and values of the live feed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple

from msgspec import Meta
from msgspec.structs import replace

from edge_agent.wire import Flag
from gateway.api.schemas.corrections import CorrectionName
from gateway.api.schemas.schema import Id, Instant, LicensedDocument, Schema, format_instant, ref
from gateway.quality.humidity_correction import CorrectedValue, MissingCorrection
from gateway.quality.humidity_correction import CorrectionRule as Rule

CorrectedMean = Annotated[float | None, Meta(description="`mean` by the named correction; null: see `uncorrected`")]
CorrectionLabel = Annotated[str | None, Meta(description="name@version of the rule", examples=["kappa-koehler@1"])]
UncorrectedReason = Annotated[
    MissingCorrection | None, Meta(description="why there is no corrected value", examples=["too_humid"])
]


class MinuteSummary(Schema, frozen=True, kw_only=True):
    """Summary of the 60 seconds that end at the newest reading."""

    value: Annotated[float | None, Meta(description="the newest reading")]
    mean: Annotated[float | None, Meta(description="for directions the circular mean")]
    max: Annotated[float | None, Meta(description="null for directions, which have no maximum")]
    valid_count: int
    flags: list[str]
    corrected: CorrectedMean = None
    correction: CorrectionLabel = None
    uncorrected: UncorrectedReason = None


class Minute(MinuteSummary, frozen=True, kw_only=True):
    """The 60 seconds that end at the newest reading of one property at one station."""

    unit: Annotated[str, Meta(description="UCUM", examples=["ug/m3"])]
    observed_at: Instant
    averaging_seconds: int = 60


class Batch(Schema, frozen=True, kw_only=True):
    """The signed batch that a reading came in."""

    node: str
    incarnation: str
    seq: int


class Reading(Schema, frozen=True, kw_only=True):
    """One single value."""

    datastream: int
    observed_at: Annotated[Instant, Meta(description="the time that is believed")]
    value: float | None
    flags: list[str]
    batch: Batch
    stamped_at: Annotated[
        Instant | None, Meta(description="the node's own stamp, if it was wrong and the reading was dated again")
    ]
    corrected: Annotated[float | None, Meta(description="`value` by the page's `correction`; null: see `uncorrected`")]
    uncorrected: UncorrectedReason


class Mean(Schema, frozen=True, kw_only=True):
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
    uncorrected: UncorrectedReason


class Observations(LicensedDocument, frozen=True, kw_only=True):
    """A page of observations, newest first. `raw` items are readings, all others are means."""

    station: Id
    observed_property: str
    unit: str
    averaging: Literal["raw", "1min", "1h", "1day"]
    correction: Annotated[
        CorrectionName | None, Meta(description="the rule behind `corrected`; null: this property has none")
    ]
    start: Instant
    end: Instant
    items: Annotated[list[Any], Meta(extra_json_schema={"items": {"anyOf": [ref("Reading"), ref("Mean")]}})]
    next_cursor: str | None = None


class LiveValue(MinuteSummary, frozen=True, kw_only=True):
    """The newest reading of one property at one station, with the minute that ends at it."""

    station: Id
    observed_property: str
    unit: str
    observed_at: Instant


def flag_names(bits: int) -> list[str]:
    """The names of the flags that are set."""
    return [str(flag.name).lower() for flag in Flag if bits & flag] if bits else []


class ReadingRow(NamedTuple):
    """A row of the query `select_readings`, in the order of its columns."""

    datastream: int
    observed_at: datetime
    value: float | None
    flags: int
    batch: int
    node: str
    incarnation: str
    seq: int
    stamped_at: datetime | None

    @property
    def position(self) -> tuple[datetime, int]:
        """The sort key of a page's cursor."""
        return self.observed_at, self.batch


def reading_from_row(row: ReadingRow, corrected: CorrectedValue) -> Reading:
    """A single reading as the API shows it."""
    return Reading(
        datastream=row.datastream,
        observed_at=format_instant(row.observed_at),
        value=row.value,
        flags=flag_names(row.flags),
        batch=Batch(node=row.node, incarnation=row.incarnation, seq=row.seq),
        stamped_at=None if row.stamped_at is None else format_instant(row.stamped_at),
        corrected=corrected[0],
        uncorrected=corrected[1],
    )


def mean_from_row(row: Sequence[Any], corrected: CorrectedValue) -> Mean:
    """A row of the queries `select_means_*`."""
    datastream, bucket, count, valid, average, smallest, largest, flags = row
    return Mean(
        datastream=datastream,
        start=format_instant(bucket),
        count=count,
        valid_count=valid,
        mean=average,
        min=smallest,
        max=largest,
        flags=flag_names(flags),
        corrected=corrected[0],
        uncorrected=corrected[1],
    )


def with_correction(minute: Minute, rule: Rule, corrected: CorrectedValue) -> Minute:
    """The minute with its corrected mean, or the reason why there is none."""
    value, reason = corrected
    return replace(minute, corrected=value, correction=None if value is None else rule.label, uncorrected=reason)


def build_live_value(station: str, observed_property: str, minute: Minute) -> LiveValue:
    """The value of one property at one station in the live feed."""
    return LiveValue(
        station=station,
        observed_property=observed_property,
        unit=minute.unit,
        observed_at=minute.observed_at,
        **{name: getattr(minute, name) for name in MinuteSummary.__struct_fields__},
    )
