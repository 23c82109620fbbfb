"""Tables of observations as streams: an error ends the part that it concerns, with a marker, and no other part.

The status of a response is sent before its first row, so only the stream itself can report a later error. A CSV table
gets a line without numbers, with `not_read` in its column of flags. A Parquet file has no place for a marker: it ends
without its footer, and no program can open it.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime

from alerting.log import get_logger
from gateway.api.data.averages import MeanCache
from gateway.export import tables
from gateway.export.csv_dialect import Dialect
from gateway.export.rows import fetch_slice, stream_rows
from gateway.export.selection import Averaging, Fetch, Selection, TableFormat

_LOG = get_logger("gateway.api")
_MAX_MINUTES = 2 * 24 * 60


async def write_parts(
    selection: Selection, fetch: Fetch, format_: TableFormat, notes: Mapping[str, str]
) -> AsyncIterator[bytes]:
    """One selection as a file."""
    if format_ is TableFormat.PARQUET:
        async for part in tables.write_table(selection, stream_rows(selection, fetch), format_, notes):
            yield part
        return
    dialect = tables.DIALECTS[format_]
    yield tables.csv_header(selection.averaging, dialect)
    for start, end in selection.slices():
        try:
            part = tables.csv_lines(selection, await fetch_slice(selection, start, end, fetch), dialect)
        except Exception:  # noqa: BLE001 - a failure here concerns this part only
            part = _mark(selection, start, dialect)
        yield part


async def write_minutes_of_stations(
    selections: Sequence[Selection], mean_cache: MeanCache, format_: TableFormat
) -> AsyncIterator[bytes]:
    """The one-minute means of several stations as one table, oldest first."""
    dialect = tables.DIALECTS[format_]
    yield tables.csv_header(Averaging.MINUTE, dialect)
    for selection in selections:
        try:
            page = await mean_cache.fetch_page(selection, None, _MAX_MINUTES)
            part = tables.csv_from_means(selection, [mean for _, mean in reversed(page)], dialect)
        except Exception:  # noqa: BLE001 - a failure here concerns this station only
            part = _mark(selection, selection.start, dialect)
        yield part


def _mark(selection: Selection, start: datetime, dialect: Dialect) -> bytes:
    _LOG.exception("table incomplete", station=selection.station, property=selection.observed_property)
    return tables.csv_marker(selection, start, dialect)
