"""Types of assessments: means of a station beside published levels, as an indication."""

from typing import Annotated, Literal

from msgspec import Meta

from gateway.api.schemas.schema import Id, Instant, LicensedDocument, Schema
from gateway.assessment.assess import LevelCount, SubstanceAssessment, UnassessedLevel, UnassessedReason
from gateway.assessment.hazard_index import HazardIndex, HazardRefusal
from gateway.assessment.indices import IndexClass
from gateway.assessment.levels import PublishedLevel
from gateway.assessment.sentences import describe_hazard_refusal, describe_refusal, name_class, name_index
from gateway.model.figures import shorten
from gateway.model.timestamps import format_instant, from_ms

Day = Annotated[str, Meta(extra_json_schema={"format": "date"}, examples=["2026-11-21"])]
Names = Annotated[dict[str, str], Meta(examples=[{"nl": "advieswaarde van de WHO, 2021", "en": "WHO guideline"}])]
INDICATION = (
    "Means of sensors beside levels for reference instruments at representative places: at or above the level of a "
    "document, as an indication and no exceedance"
)


class LevelDocument(Schema, frozen=True, kw_only=True):
    """A published level with its source."""

    id: Annotated[str, Meta(examples=["who-2021-pm2_5-day"])]
    title: Names
    kind: Literal["guideline", "limit", "information", "alert"]
    averaging: Annotated[str, Meta(description="of the mean that the level is about", examples=["day"])]
    value: float
    unit: str = "ug/m3"
    allowed: Annotated[int | None, Meta(description="periods in a calendar year, by the rule of the level")]
    consecutive_hours: int
    source: str
    edition: str
    published: Day


class LevelComparison(Schema, frozen=True, kw_only=True):
    """How often the means of a datastream were at or above a level."""

    level: LevelDocument
    at_or_above: Annotated[int, Meta(description="hours or days; of a level over a year 0 or 1")]
    complete: Annotated[int, Meta(description="hours or days with enough valid readings: no others are compared")]
    periods: Annotated[int, Meta(description="hours or days of the period")]
    highest: Annotated[float, Meta(description="the highest of these means, ug/m3")]
    seconds_at_or_above: int | None


class LevelRefusal(Schema, frozen=True, kw_only=True):
    """A level that is not assessed, and why."""

    level: LevelDocument
    reason: UnassessedReason
    text: Annotated[dict[str, str], Meta(examples=[{"nl": "De periode is geen jaar.", "en": "It is no year."}])]


class RunningMeans(Schema, frozen=True, kw_only=True):
    """Means that end at `at`, ug/m3; null: too few complete hours."""

    at: Instant
    hour: float | None
    eight_hours: float | None
    day: float | None
    year: float | None


class DatastreamAssessment(Schema, frozen=True, kw_only=True):
    """One datastream: raw valid values, not corrected."""

    datastream: int
    observed_property: str
    hours: int
    complete_hours: int
    days: int
    complete_days: int
    running_means: RunningMeans
    levels: list[LevelComparison]
    not_assessed: list[LevelRefusal]


class IndexDocument(Schema, frozen=True, kw_only=True):
    """Class of a published index from the newest complete hour; a sub-index if not all substances are measured."""

    id: Annotated[str, Meta(examples=["lki"])]
    name: Names
    is_sub_index: bool
    substances: list[str]
    class_number: Annotated[int, Meta(description="1 is the best")]
    class_name: Names
    worst: Annotated[str, Meta(description="substance that decides the class", examples=["pm2_5"])]
    averaging: Literal["1h"] = "1h"
    source: str
    edition: str
    published: Annotated[str, Meta(description="year", examples=["2024"])]


class HazardPartDocument(Schema, frozen=True, kw_only=True):
    """A substance of the index: its mean over the year as an interval in ug/m3, and its limit."""

    substance: Annotated[str, Meta(examples=["benzene"])]
    basis: Annotated[str, Meta(description="laboratory, sensor or mixture", examples=["laboratory"])]
    lowest: float
    highest: float
    year_share: Annotated[float, Meta(description="share of the year that was measured", examples=[0.95])]
    limit: float
    source: str


class HazardIndexDocument(Schema, frozen=True, kw_only=True):
    """Sum of means over a rolling year, each over its limit, as an interval; never of a shorter time."""

    start: Instant
    end: Instant
    lowest: Annotated[float | None, Meta(description="null: there is no index, see `text`", examples=[0.2])]
    highest: Annotated[float | None, Meta(examples=[0.4])]
    parts: list[HazardPartDocument]
    reason: HazardRefusal | None
    text: Annotated[dict[str, str] | None, Meta(description="why there is no index")]


class StationAssessment(LicensedDocument, frozen=True, kw_only=True):
    """A station over whole legal days, from the first one up to, not including, the last."""

    station: Id
    first_day: Annotated[Day, Meta(description="the first legal day")]
    end_day: Annotated[Day, Meta(description="the legal day after the last one")]
    time_zone: str
    note: str = INDICATION
    indices: list[IndexDocument]
    hazard_index: Annotated[
        HazardIndexDocument | None, Meta(description="of the last 365 days; null: the operator declared none")
    ]
    datastreams: list[DatastreamAssessment]


def build_level(level: PublishedLevel) -> LevelDocument:
    """A level as the API shows it."""
    return LevelDocument(
        id=level.id,
        title={"nl": level.title.nl, "en": level.title.en},
        kind=level.kind,
        averaging=level.averaging.value,
        value=level.value,
        allowed=level.allowed,
        consecutive_hours=level.consecutive_hours,
        source=level.source,
        edition=level.edition,
        published=level.published.isoformat(),
    )


def build_datastream_assessment(datastream: int, assessment: SubstanceAssessment, end: int) -> DatastreamAssessment:
    """A datastream as the API shows it. `end`: of the running means, in seconds of Unix time."""
    rolling = assessment.rolling
    return DatastreamAssessment(
        datastream=datastream,
        observed_property=assessment.substance,
        hours=assessment.hours,
        complete_hours=assessment.complete_hours,
        days=assessment.days,
        complete_days=assessment.complete_days,
        running_means=RunningMeans(
            at=format_instant(from_ms(end * 1_000)),
            hour=shorten(rolling.hour),
            eight_hours=shorten(rolling.eight_hours),
            day=shorten(rolling.day),
            year=shorten(rolling.year),
        ),
        levels=[_build_comparison(count) for count in assessment.counts],
        not_assessed=[_build_refusal(refusal) for refusal in assessment.refusals],
    )


def _build_comparison(count: LevelCount) -> LevelComparison:
    return LevelComparison(
        level=build_level(count.level),
        at_or_above=count.at_or_above,
        complete=count.complete,
        periods=count.periods,
        highest=shorten(count.highest) or 0.0,
        seconds_at_or_above=count.seconds,
    )


def _build_refusal(refusal: UnassessedLevel) -> LevelRefusal:
    return LevelRefusal(
        level=build_level(refusal.level),
        reason=refusal.reason,
        text={"nl": describe_refusal(refusal, "nl"), "en": describe_refusal(refusal, "en")},
    )


def build_index(index_class: IndexClass) -> IndexDocument:
    """The class of an index as the API shows it."""
    index = index_class.index
    return IndexDocument(
        id=index.id,
        name={"nl": name_index(index_class, "nl"), "en": name_index(index_class, "en")},
        is_sub_index=not index_class.is_whole,
        substances=list(index_class.substances),
        class_number=index_class.number,
        class_name={"nl": name_class(index_class, "nl"), "en": name_class(index_class, "en")},
        worst=index_class.substance,
        source=index.source,
        edition=index.edition,
        published=index.published,
    )


def build_hazard_index(index: HazardIndex) -> HazardIndexDocument:
    """The Hazard Index as the API shows it."""
    text = None
    if index.refusal is not None:
        text = {"nl": describe_hazard_refusal(index, "nl"), "en": describe_hazard_refusal(index, "en")}
    return HazardIndexDocument(
        start=format_instant(index.start),
        end=format_instant(index.end),
        lowest=shorten(index.lowest),
        highest=shorten(index.highest),
        parts=[
            HazardPartDocument(
                substance=part.substance,
                basis=part.basis,
                lowest=shorten(part.lowest) or 0.0,
                highest=shorten(part.highest) or 0.0,
                year_share=shorten(part.share) or 0.0,
                limit=part.limit,
                source=part.source,
            )
            for part in index.parts
        ],
        reason=index.refusal,
        text=text,
    )
