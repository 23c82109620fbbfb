"""Every row of a selection, oldest first, with the corrected value beside the raw one where there is a rule for it."""

from collections.abc import AsyncIterator

from gateway.export.corrected import corrections
from gateway.export.selection import Averaging, Fetch, Rows, Selection
from gateway.quality.humidity_correction import rule_for


async def rows(selection: Selection, fetch: Fetch) -> AsyncIterator[Rows]:
    """A slice at a time; `fetch` runs a named query of this package."""
    rule = rule_for(selection.observed_property)
    label = None if rule is None else rule.label
    raw = selection.averaging is Averaging.RAW
    for start, end in selection.slices():
        values = {"ids": list(selection.ids), "start": start, "end": end}
        found = await fetch(f"export_{selection.averaging}", values)
        if not found:
            continue
        correct = await corrections(selection, start, end, fetch)
        out = []
        for datastream, at, *rest in found:
            value, readings = (rest[0], 1) if raw else (rest[2], rest[1])
            corrected, why = correct(datastream, at, value, readings)
            out.append((at, *rest, corrected, None if corrected is None else label, why))
        yield out
