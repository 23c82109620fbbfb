"""Rows of a selection, oldest first, with corrected values if a correction rule or a calibration holds.

Called by `piekwacht export` and by the API. A row is (time, columns of the query, corrected, correction, uncorrected).
A part of the period that cannot be read is one row without numbers (`unread_row`); the other parts are complete.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Any

from gateway.export.corrected import Corrector, build_corrector
from gateway.export.selection import Averaging, Fetch, MeanRow, Rows, Selection
from gateway.model.figures import shorten

ReportUnread = Callable[[datetime, Exception], None]
"""(start of a part, why it could not be read): logs or counts it, or raises to end the whole table."""
_UNREAD_RAW: tuple[None, ...] = (None,) * 9  # all columns but the time
_UNREAD_MEAN: tuple[None, ...] = (None,) * 10  # all columns but start and end


async def stream_rows(selection: Selection, fetch: Fetch, report: ReportUnread) -> AsyncIterator[Rows]:
    """Yield the rows of one slice at a time; `fetch` runs a named query of this package.

    Rows are tuples: up to 100,000 go into one Parquet row group by columns.
    """
    for start, end in selection.slices():
        try:
            rows = await fetch_slice(selection, start, end, fetch)
        except Exception as error:  # noqa: BLE001 - a failure here concerns this part only
            report(start, error)
            rows = [unread_row(selection.averaging, start, end)]
        if rows:
            yield rows


def unread_row(averaging: Averaging, start: datetime, end: datetime) -> tuple[Any, ...]:
    """Return the row that marks [start, end) as unreadable: no numbers, and None for flags."""
    return (start, *_UNREAD_RAW) if averaging is Averaging.RAW else (start, end, *_UNREAD_MEAN)


async def fetch_slice(selection: Selection, start: datetime, end: datetime, fetch: Fetch) -> Rows:
    """Return the rows of a part of the period."""
    fetched = await fetch(f"export_{selection.averaging}", selection.parameters(start, end))
    if not fetched:
        return []
    correct = await build_corrector(selection, start, end, fetch)
    build_row = _reading_with_correction if selection.averaging is Averaging.RAW else _mean_with_correction
    return [build_row(row, correct) for row in fetched]


def _reading_with_correction(row: Sequence[Any], correct: Corrector) -> tuple[Any, ...]:
    datastream, at, value, flags, *batch = row
    corrected, reason, label = correct(datastream, at, value, 1, flags)
    return at, value, flags, *batch, corrected, None if corrected is None else label, reason


def _mean_with_correction(row: Sequence[Any], correct: Corrector) -> tuple[Any, ...]:
    mean = MeanRow._make(row)
    corrected, reason, label = correct(mean.datastream, mean.start, mean.mean, mean.valid_count, 0)
    computed = shorten(mean.mean), mean.min, mean.max, mean.flags, shorten(corrected)
    return *mean[1:6], *computed, None if corrected is None else label, reason
