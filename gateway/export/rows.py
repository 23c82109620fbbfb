"""Every row of a selection, oldest first, with the corrected value beside the raw one where there is a rule for it."""

from collections.abc import AsyncIterator

from gateway.export.corrected import build_corrector
from gateway.export.selection import Averaging, Fetch, Rows, Selection
from gateway.quality.humidity_correction import find_rule


async def stream_rows(selection: Selection, fetch: Fetch) -> AsyncIterator[Rows]:
    """A slice at a time; `fetch` runs a named query of this package."""
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
            value, readings = (columns[0], 1) if raw else (columns[2], columns[1])
            corrected, reason = correct(datastream, at, value, readings)
            corrected_rows.append((at, *columns, corrected, None if corrected is None else label, reason))
        yield corrected_rows
