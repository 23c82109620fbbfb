"""Loads the hours of stations and assesses them; called by the API, its pages, reports and `piekwacht assess`.

Each datastream is assessed by itself: values of two sensors are never mixed. The values are raw, not corrected.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime

import numpy as np

from gateway.assessment.assess import AssessedPeriod, SubstanceAssessment, assess_substance
from gateway.assessment.averaging import place_hours, select_complete_hours
from gateway.export.selection import Averaging, Fetch, MeanRow, Selection
from gateway.model.legal_day import list_day_edges
from gateway.model.observation import FloatArray


def build_period(first: date, until: date, zone: str) -> AssessedPeriod:
    """Return the legal days from `first` to before `until`. Raises TimeZoneError."""
    return AssessedPeriod(edges=[round(edge.timestamp()) for edge in list_day_edges(first, until, zone)])


async def load_hours(
    selection: Selection, period: AssessedPeriod, until: datetime, fetch: Fetch
) -> Mapping[int, FloatArray]:
    """Return the complete hours of each datastream of a selection; of an hour that is not complete NaN.

    They begin with the period and end with the last whole hour before `until`, or with the period if that is later.
    """
    start = datetime.fromtimestamp(period.first, selection.start.tzinfo)
    end = max(until, datetime.fromtimestamp(period.edges[-1], selection.start.tzinfo))
    hours = (round(end.timestamp()) - period.first) // 3_600
    whole = replace(selection, start=start, end=end, averaging=Averaging.HOUR)
    rows: dict[int, list[MeanRow]] = {id_: [] for id_ in selection.ids}
    for slice_start, slice_end in whole.slices():
        for row in map(MeanRow._make, await fetch("export_1h", whole.parameters(slice_start, slice_end))):
            rows[row.datastream].append(row)
    return {id_: _build_series(means, period.first, hours) for id_, means in rows.items()}


def _build_series(rows: Sequence[MeanRow], first: int, hours: int) -> FloatArray:
    start = np.array([round(row.start.timestamp()) for row in rows], dtype=np.int64)
    mean = np.array([np.nan if row.mean is None else row.mean for row in rows], dtype=np.float64)
    valid = np.array([row.valid_count for row in rows], dtype=np.int64)
    expected = np.array([row.expected_count or 0 for row in rows], dtype=np.int64)
    return place_hours(start, select_complete_hours(mean, valid, expected), first, hours)


async def assess_selection(
    selection: Selection, period: AssessedPeriod, until: datetime, fetch: Fetch, year_coverage: float | None
) -> Mapping[int, SubstanceAssessment]:
    """Assess each datastream of a selection, by id. `until`: the end of the running means, such as now."""
    series = await load_hours(selection, period, until, fetch)
    return {
        id_: assess_substance(selection.observed_property, hours, period, year_coverage)
        for id_, hours in series.items()
    }
