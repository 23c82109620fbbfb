"""Types of observations: the newest minute, single readings, means, and values of the live feed."""

from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple

from msgspec import Meta
from msgspec.structs import replace

from edge_agent.wire import Flag
from gateway.api.schemas.corrections import CorrectionName
from gateway.api.schemas.schema import Id, Instant, LicensedDocument, Schema, ref
from gateway.export.corrected import LabelledCorrection
from gateway.export.selection import MeanRow
from gateway.model.figures import shorten
from gateway.model.timestamps import format_instant
from gateway.model.validity import valid_value
from gateway.quality.humidity_correction import CorrectedValue, MissingCorrection

CorrectedMean = Annotated[float | None, Meta(description="`mean` by the named correction; null: see `uncorrected`")]
CorrectionLabel = Annotated[
    str | None,
    Meta(
        description="name@version of the rule or calibration behind `corrected`, of a day all of them",
        examples=["kappa-koehler@2", "calibration/ijm-001/pm2_5@3"],
    ),
]
UncorrectedReason = Annotated[
    MissingCorrection | None, Meta(description="why there is no corrected value", examples=["too_humid"])
]


ReadingCount = Annotated[int, Meta(description="readings in the period; those with a wrong clock are in none")]
ValidCount = Annotated[int, Meta(description="readings that count: `mean`, `min` and `max` are of these alone")]
ExpectedCount = Annotated[
    int | None,
    Meta(description="readings of a complete period, by the usual step between readings; null: unknown", examples=[60]),
]
FlagNames = Annotated[
    list[str], Meta(description="of all these readings: what is wrong with some, or why none counts", examples=[[]])
]
AveragingName = Literal["raw", "1min", "1h", "1day"]


class ExcludedReading(Schema, frozen=True, kw_only=True):
    """A newer reading that does not count: when it was, and why. Its number is among the raw readings only."""

    observed_at: Instant
    flags: list[str]


class MinuteSummary(Schema, frozen=True, kw_only=True):
    """Summary of the 60 seconds that end at the newest valid reading."""

    value: Annotated[float | None, Meta(description="the newest valid reading; its averaging is `valueAveraging`")]
    value_averaging: AveragingName = "raw"
    mean: Annotated[float | None, Meta(description="of valid readings; for directions the circular mean")]
    max: Annotated[float | None, Meta(description="the highest valid reading; null for directions")]
    averaging: Annotated[AveragingName, Meta(description="of `mean`; `max` is a single reading of that minute")] = (
        "1min"
    )
    count: ReadingCount
    valid_count: ValidCount
    expected_count: ExpectedCount
    flags: FlagNames
    excluded: Annotated[
        ExcludedReading | None, Meta(description="the newest reading, if it does not count; null: the newest one does")
    ]
    corrected: CorrectedMean = None
    correction: CorrectionLabel = None
    uncorrected: UncorrectedReason = None


class Minute(MinuteSummary, frozen=True, kw_only=True):
    """The 60 seconds that end at the newest valid reading of one property at one station."""

    unit: Annotated[str, Meta(description="UCUM", examples=["ug/m3"])]
    observed_at: Annotated[
        Instant | None, Meta(description="of the newest valid reading; null: there was none in the last hour")
    ]
    averaging_seconds: int = 60

    @property
    def all_flags(self) -> list[str]:
        """Its flags, and those of a newer reading that does not count."""
        return self.flags if self.excluded is None else [*self.flags, *self.excluded.flags]


class Batch(Schema, frozen=True, kw_only=True):
    """The signed batch that a reading came in."""

    node: str
    incarnation: str
    seq: int


class Reading(Schema, frozen=True, kw_only=True):
    """One single value, as the sensor gave it. One that does not count is here too, with its flags."""

    datastream: int
    observed_at: Annotated[Instant, Meta(description="the time that is believed")]
    value: float | None
    flags: list[str]
    counts: Annotated[bool, Meta(description="whether it is in means, newest values and events")]
    batch: Batch
    stamped_at: Annotated[
        Instant | None, Meta(description="the node's own stamp, if it was wrong and the reading was dated again")
    ]
    corrected: Annotated[float | None, Meta(description="`value` by the named correction; null: see `uncorrected`")]
    correction: CorrectionLabel
    uncorrected: UncorrectedReason


class Mean(Schema, frozen=True, kw_only=True):
    """One minute, hour or legal day, from `start` up to `end`. Without a valid reading there is no mean: see `flags`.

    Data capture is `validCount` / `expectedCount`.
    """

    datastream: int
    start: Instant
    end: Instant
    count: ReadingCount
    valid_count: ValidCount
    expected_count: ExpectedCount
    mean: float | None
    min: float | None
    max: float | None
    flags: FlagNames
    corrected: CorrectedMean
    correction: CorrectionLabel
    uncorrected: UncorrectedReason


class Observations(LicensedDocument, frozen=True, kw_only=True):
    """A page of observations, newest first. `raw` items are readings, all others are means."""

    station: Id
    observed_property: str
    unit: str
    averaging: AveragingName
    time_zone: Annotated[str | None, Meta(description="whose legal days these are; null unless `1day`")] = None
    correction: Annotated[
        CorrectionName | None,
        Meta(description="the rule of this property, which a calibration of a node replaces; null: it has none"),
    ]
    start: Instant
    end: Instant
    items: Annotated[list[Any], Meta(extra_json_schema={"items": {"anyOf": [ref("Reading"), ref("Mean")]}})]
    next_cursor: str | None = None


class LiveValue(MinuteSummary, frozen=True, kw_only=True):
    """The newest valid reading of one property at one station, with the minute that ends at it."""

    station: Id
    observed_property: str
    unit: str
    observed_at: Instant | None


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


def reading_from_row(row: ReadingRow, corrected: LabelledCorrection) -> Reading:
    """A single reading as the API shows it."""
    return Reading(
        datastream=row.datastream,
        observed_at=format_instant(row.observed_at),
        value=row.value,
        flags=flag_names(row.flags),
        counts=valid_value(row.value, row.flags) is not None,
        batch=Batch(node=row.node, incarnation=row.incarnation, seq=row.seq),
        stamped_at=None if row.stamped_at is None else format_instant(row.stamped_at),
        corrected=corrected[0],
        correction=None if corrected[0] is None else corrected[2],
        uncorrected=corrected[1],
    )


def mean_from_row(row: MeanRow, corrected: LabelledCorrection) -> Mean:
    """A row of the queries `select_means_*`."""
    return Mean(
        datastream=row.datastream,
        start=format_instant(row.start),
        end=format_instant(row.end),
        count=row.readings,
        valid_count=row.valid_count,
        expected_count=row.expected_count,
        mean=shorten(row.mean),
        min=row.min,
        max=row.max,
        flags=flag_names(row.flags),
        corrected=corrected[0],
        correction=None if corrected[0] is None else corrected[2],
        uncorrected=corrected[1],
    )


def with_correction(minute: Minute, label: str, corrected: CorrectedValue) -> Minute:
    """The minute with its corrected mean by the rule of this label, or the reason why there is none."""
    value, reason = corrected
    return replace(minute, corrected=value, correction=None if value is None else label, uncorrected=reason)


def build_live_value(station: str, observed_property: str, minute: Minute) -> LiveValue:
    """The value of one property at one station in the live feed."""
    return LiveValue(
        station=station,
        observed_property=observed_property,
        unit=minute.unit,
        observed_at=minute.observed_at,
        **{name: getattr(minute, name) for name in MinuteSummary.__struct_fields__},
    )
