"""Rows of a selection, oldest first, with corrected values if the property has a correction rule.

Called by `piekwacht export` and by the API.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from gateway.export.corrected import build_corrector
from gateway.export.selection import Averaging, Fetch, Rows, Selection
from gateway.quality.humidity_correction import find_rule


async def stream_rows(selection: Selection, fetch: Fetch) -> AsyncIterator[Rows]:
    """Yield the rows of one slice at a time; `fetch` runs a named query of this package.

    Rows are tuples: up to 100,000 go into one Parquet row group by columns.
    """
    rule = find_rule(selection.observed_property)
    label = None if rule is None else rule.label
    raw = selection.averaging is Averaging.RAW
    for start, end in selection.slices():
        values = {"ids": list(selection.ids), "start": start, "end": end}
        fetched = await fetch(f"export_{selection.averaging}", values)
        if not fetched:
            continue
        correct = await build_corrector(selection, start, end, fetch)
        corrected_rows = []
        for datastream, at, *columns in fetched:
            value, readings = _raw_value(columns) if raw else _mean_value(columns)
            corrected, reason = correct(datastream, at, value, readings)
            corrected_rows.append((at, *columns, corrected, None if corrected is None else label, reason))
        yield corrected_rows


def _raw_value(columns: Sequence[Any]) -> tuple[float | None, int]:
    """Return value and number of readings of a row of `export_raw`."""
    value, *_other_columns = columns
    return value, 1


def _mean_value(columns: Sequence[Any]) -> tuple[float | None, int]:
    """Return mean and number of valid readings of a row of means."""
    _count, valid_count, mean, *_other_columns = columns
    return mean, valid_count
