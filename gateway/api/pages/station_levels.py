"""The part of the station page that puts the means of the last days beside published levels and indices."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from alerting.catalogue import Texts
from gateway.api.data.assessment_cache import AssessmentCache
from gateway.api.data.assessments import SUBSTANCES, AssessedStation, assess_station, has_level
from gateway.api.pages.renderer import View
from gateway.assessment.assess import LevelCount
from gateway.assessment.indices import IndexClass
from gateway.assessment.sentences import name_class, name_index, name_level
from gateway.export.assessed import build_period
from gateway.model.legal_day import legal_date
from gateway.model.texts import texts_of
from gateway.model.timestamps import format_instant

DAYS = 7


class LevelRow(Struct, frozen=True, kw_only=True):
    """A row of the table, ready to be shown."""

    substance: str
    name: str
    averaging: str
    value: str
    at_or_above: int
    complete: int


class IndexRow(Struct, frozen=True, kw_only=True):
    """The class of an index with its edition."""

    name: str
    edition: str
    class_name: str
    worst: str
    source: str


class DayMean(Struct, frozen=True, kw_only=True):
    """The mean of the last 24 hours of a substance, as text."""

    substance: str
    value: str


class StationLevels(Struct, frozen=True, kw_only=True):
    """Everything that the part shows. `sources`: documents of the levels, each once."""

    rows: Sequence[LevelRow]
    indices: Sequence[IndexRow]
    day_means: Sequence[DayMean]
    sources: Sequence[str]
    hour_end: str
    days: int = DAYS


async def fetch_station_levels(view: View, station: str) -> StationLevels | None:
    """Return the last seven whole days of a station; None if it measures nothing with levels, or cannot be read now."""
    registry = view.registry
    if not any(has_level(registry, station, substance) for substance in SUBSTANCES):
        return None
    zone = registry.time_zone_of(station)
    today = legal_date(view.now, zone)
    period = build_period(today - timedelta(days=DAYS), today, zone)
    until = view.now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    coverage = view.request.app.state.assessment.year_coverage
    cache: AssessmentCache = view.request.app.state.assessment_cache

    async def make() -> AssessedStation:
        return await assess_station(
            view.request.app.state.database.fetch_costly_rows, registry, station, period, until, coverage
        )

    assessed = await cache.fetch(station, make)
    return None if assessed is None else build_station_levels(view, assessed, until)


def build_station_levels(view: View, assessed: AssessedStation, until: datetime) -> StationLevels:
    """Return what the part shows."""
    texts = texts_of("assessment", view.language)
    counts = [count for stream in assessed.streams for count in stream.assessment.counts]
    return StationLevels(
        rows=[_build_row(view, texts, count) for count in counts],
        indices=[_build_index(view, index_class) for index_class in assessed.indices],
        day_means=[
            DayMean(
                substance=view.name_of(stream.assessment.substance),
                value=f"{view.number(mean)} {view.unit_of('ug/m3')}",
            )
            for stream in assessed.streams
            if (mean := stream.assessment.rolling.day) is not None
        ],
        sources=list(dict.fromkeys(f"{count.level.source} ({count.level.edition})" for count in counts)),
        hour_end=format_instant(until),
    )


def _build_row(view: View, texts: Texts, count: LevelCount) -> LevelRow:
    level = count.level
    return LevelRow(
        substance=view.name_of(level.substance),
        name=name_level(level, view.language),
        averaging=texts[f"over_{level.averaging}"],
        value=f"{view.plain_number(level.value)} {view.unit_of('ug/m3')}",
        at_or_above=count.at_or_above,
        complete=count.complete,
    )


def _build_index(view: View, index_class: IndexClass) -> IndexRow:
    index = index_class.index
    return IndexRow(
        name=name_index(index_class, view.language),
        edition=texts_of("assessment", view.language)["edition"].format(edition=index.edition),
        class_name=name_class(index_class, view.language),
        worst=view.name_of(index_class.substance),
        source=f"{index.source}, {index.edition}",
    )
