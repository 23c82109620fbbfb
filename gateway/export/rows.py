"""Rows of a selection, oldest first, with corrected values if the property has a correction rule.

Called by `piekwacht export` and by the API. A row is (time, columns of the query, corrected, correction, uncorrected).
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

from gateway.export.corrected import Corrector, build_corrector
from gateway.export.selection import Averaging, Fetch, MeanRow, Rows, Selection
from gateway.model.figures import shorten
from gateway.quality.humidity_correction import find_rule


async def stream_rows(selection: Selection, fetch: Fetch) -> AsyncIterator[Rows]:
    """Yield the rows of one slice at a time; `fetch` runs a named query of this package.

    Rows are tuples: up to 100,000 go into one Parquet row group by columns.
    """
    for start, end in selection.slices():
        rows = await fetch_slice(selection, start, end, fetch)
        if rows:
            yield rows


async def fetch_slice(selection: Selection, start: datetime, end: datetime, fetch: Fetch) -> Rows:
    """Return the rows of a part of the period."""
    rule = find_rule(selection.observed_property)
    label = None if rule is None else rule.label
    fetched = await fetch(f"export_{selection.averaging}", selection.parameters(start, end))
    if not fetched:
        return []
    correct = await build_corrector(selection, start, end, fetch)
    build_row = _reading_with_correction if selection.averaging is Averaging.RAW else _mean_with_correction
    return [build_row(row, correct, label) for row in fetched]


def _reading_with_correction(row: Sequence[Any], correct: Corrector, label: str | None) -> tuple[Any, ...]:
    datastream, at, value, flags, *batch = row
    corrected, reason = correct(datastream, at, value, 1, flags)
    return at, value, flags, *batch, corrected, None if corrected is None else label, reason


def _mean_with_correction(row: Sequence[Any], correct: Corrector, label: str | None) -> tuple[Any, ...]:
    mean = MeanRow._make(row)
    corrected, reason = correct(mean.datastream, mean.start, mean.mean, mean.valid_count, 0)
    computed = shorten(mean.mean), mean.min, mean.max, mean.flags, shorten(corrected)
    return *mean[1:6], *computed, None if corrected is None else label, reason
