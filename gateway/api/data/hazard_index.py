"""Hazard Index of a station from stored samples and declared sensors; for the API and `piekwacht hazard-index`."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from gateway.api.data.database import QuerySource
from gateway.api.data.registry import PublicRegistry
from gateway.assessment.assess import AssessedPeriod
from gateway.assessment.hazard_index import (
    ROLLING_YEAR,
    HazardIndex,
    LaboratorySample,
    SensorYear,
    compute_hazard_index,
)
from gateway.assessment.hazard_settings import HazardSensor
from gateway.assessment.settings import AssessmentSettings
from gateway.export.assessed import load_hours
from gateway.export.selection import Averaging


async def load_hazard_index(
    source: QuerySource, registry: PublicRegistry, station: str, end: datetime, settings: AssessmentSettings
) -> HazardIndex | None:
    """Return the index of the rolling year until `end`, a whole hour; None if [assessment.hazard_index] is absent."""
    declared = settings.hazard_index
    if declared is None:
        return None
    values = {"station": station, "start": end - ROLLING_YEAR, "end": end}
    samples = await source.fetch(LaboratorySample, "select_laboratory_samples", values)
    years = list[SensorYear]()
    if settings.year_coverage is not None:
        for sensor in declared.sensor:
            if sensor.station == station and sensor.observed_property in registry.properties:
                years += await _load_years(source, registry, sensor, end)
    return compute_hazard_index(declared, samples, years, end, settings.year_coverage)


async def _load_years(
    source: QuerySource, registry: PublicRegistry, sensor: HazardSensor, end: datetime
) -> Sequence[SensorYear]:
    """The year of each datastream of a declared sensor, the most complete one first."""
    period = AssessedPeriod(edges=[round((end - ROLLING_YEAR).timestamp()), round(end.timestamp())])
    bounds = end - ROLLING_YEAR, end
    selection = registry.build_selection(sensor.station, sensor.observed_property, bounds, Averaging.HOUR)
    years = []
    for series in (await load_hours(selection, period, end, source.fetch_rows)).values():
        complete = series[np.isfinite(series)]
        mean = float(complete.mean()) if len(complete) else None
        years.append(SensorYear(sensor=sensor, mean=mean, share=len(complete) / len(series)))
    return sorted(years, key=lambda year: -year.share)
