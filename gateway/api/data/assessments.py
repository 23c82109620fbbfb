"""Assessments of a station for routes, pages and `piekwacht assess`: its substances with levels, and its indices.

`fetch` runs the query of exports; what it raises passes through.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.api.data.registry import PublicRegistry
from gateway.assessment.assess import AssessedPeriod
from gateway.assessment.indices import INDICES, IndexClass, classify_hour
from gateway.assessment.levels import LEVELS
from gateway.export.assessed import assess_selection
from gateway.export.assessment_table import AssessedStream
from gateway.export.selection import Averaging, Fetch
from gateway.model.timestamps import from_ms

SUBSTANCES = sorted({level.substance for level in LEVELS.values()})
_UNIT = "ug/m3"


@dataclass(frozen=True, kw_only=True)
class AssessedStation:
    """Every datastream of a station that has levels, and the indices of its newest complete hour."""

    streams: Sequence[AssessedStream]
    indices: Sequence[IndexClass]


async def assess_station(  # noqa: PLR0917 - station, period and rule
    fetch: Fetch,
    registry: PublicRegistry,
    station: str,
    period: AssessedPeriod,
    until: datetime,
    year_coverage: float | None,
) -> AssessedStation:
    """Assess a station over a period. `until`: the end of the running means."""
    bounds = from_ms(period.first * 1_000), from_ms(period.edges[-1] * 1_000)

    async def assess(substance: str) -> list[AssessedStream]:
        selection = registry.build_selection(station, substance, bounds, Averaging.HOUR)
        assessed = await assess_selection(selection, period, until, fetch, year_coverage)
        return [
            AssessedStream(station=station, datastream=id_, assessment=assessment)
            for id_, assessment in assessed.items()
        ]

    measured = [substance for substance in SUBSTANCES if has_level(registry, station, substance)]
    streams = [stream for part in await asyncio.gather(*map(assess, measured)) for stream in part]
    return AssessedStation(streams=streams, indices=_classify(streams))


def has_level(registry: PublicRegistry, station: str, substance: str) -> bool:
    """Whether a station measures a substance with published levels, in their unit."""
    row = registry.properties.get(substance)
    return row is not None and row.unit == _UNIT and bool(registry.datastreams_of(station, substance))


def _classify(streams: Sequence[AssessedStream]) -> list[IndexClass]:
    """The class of each index from the last hour; of two sensors of a substance the newer datastream counts."""
    values: Mapping[str, float] = {
        stream.assessment.substance: stream.assessment.rolling.hour
        for stream in sorted(streams, key=lambda stream: stream.datastream)
        if stream.assessment.rolling.hour is not None
    }
    classes = [classify_hour(index, values) for index in INDICES]
    return [index_class for index_class in classes if index_class is not None]
