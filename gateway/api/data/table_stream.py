"""Tables of observations as streams: an error ends the part that it concerns, with a marker, and no other part.

The status of a response is sent before its first row, so only the stream itself can report a later error. The table
gets a row without numbers, with `not_read` in its column of flags.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from functools import partial

from alerting.log import get_logger
from gateway.api.data.averages import MeanCache
from gateway.export import tables
from gateway.export.rows import stream_rows, unread_row
from gateway.export.selection import Averaging, Fetch, Selection, TableFormat
from gateway.model.timestamps import format_instant

_LOG = get_logger("gateway.api")
_MAX_MINUTES = 2 * 24 * 60


def write_parts(
    selection: Selection, fetch: Fetch, format_: TableFormat, notes: Mapping[str, str]
) -> AsyncIterator[bytes]:
    """One selection as a file."""
    rows = stream_rows(selection, fetch, partial(_report, selection))
    return tables.write_table(selection, rows, format_, notes)


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
        except Exception as error:  # noqa: BLE001 - a failure here concerns this station only
            _report(selection, selection.start, error)
            row = unread_row(selection.averaging, selection.start, selection.end)
            part = tables.csv_lines(selection, [row], dialect)
        yield part


def _report(selection: Selection, start: datetime, error: Exception) -> None:
    _LOG.error(
        "table incomplete",
        station=selection.station,
        property=selection.observed_property,
        start=format_instant(start),
        exc_info=error,
    )
