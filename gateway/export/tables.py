"""Rows as CSV or Parquet, written while they are read: memory is bounded by a slice, not by the period."""

import asyncio
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from edge_agent.wire import Flag
from gateway.export.csv_dialect import Dialect, DutchDialect
from gateway.export.selection import Averaging, Rows, Selection, TableFormat
from gateway.model.timestamps import format_instant

_CORRECTION_COLUMNS = (
    "corrected",
    "correction",
    "uncorrected",
)  # corrected value and its rule, or the reason without correction
_RAW_COLUMNS = ("observed_at", "value", "flags", "node", "incarnation", "seq", "stamped_at", *_CORRECTION_COLUMNS)
_MEAN_COLUMNS = (
    "start", "end", "count", "valid_count", "expected_count", "mean", "min", "max", "flags", *_CORRECTION_COLUMNS
)  # fmt: skip
_LEADING_COLUMNS = ("station", "observed_property", "unit")
UNREADABLE = "not_read"  # in the column of flags of a row without numbers: see `unread_row`
_TIMESTAMP = pa.timestamp("us", tz="UTC")
_COLUMN_TYPES: Mapping[str, Any] = {
    "observed_at": _TIMESTAMP, "stamped_at": _TIMESTAMP, "start": _TIMESTAMP, "end": _TIMESTAMP,
    "seq": pa.int64(), "count": pa.int64(), "valid_count": pa.int64(), "expected_count": pa.int64(),
    "value": pa.float64(), "mean": pa.float64(), "min": pa.float64(), "max": pa.float64(),
    "flags": pa.list_(pa.dictionary(pa.int8(), pa.string())), "node": pa.dictionary(pa.int32(), pa.string()),
    "incarnation": pa.dictionary(pa.int32(), pa.string()), "corrected": pa.float64(),
    "correction": pa.dictionary(pa.int8(), pa.string()), "uncorrected": pa.dictionary(pa.int8(), pa.string()),
}  # fmt: skip
_ROW_GROUP_SIZE = 100_000  # rows of a Parquet row group


MEDIA_TYPES = {
    TableFormat.CSV: "text/csv",
    TableFormat.CSV_NL: "text/csv",
    TableFormat.PARQUET: "application/vnd.apache.parquet",
}
DIALECTS = {TableFormat.CSV: Dialect(), TableFormat.CSV_NL: DutchDialect()}


def column_names(selection: Selection) -> Sequence[str]:
    """Return the column names, in the order of the rows."""
    return _RAW_COLUMNS if selection.averaging is Averaging.RAW else _MEAN_COLUMNS


def write_table(
    selection: Selection, slices: AsyncIterator[Rows], format_: TableFormat, notes: Mapping[str, str]
) -> AsyncIterator[bytes]:
    """Yield the table's bytes in parts. Parquet files also get `notes` (licence, attribution) as metadata."""
    if format_ is TableFormat.PARQUET:
        return _write_parquet(selection, slices, notes)
    return _write_csv(selection, slices, DIALECTS[format_])


async def _write_csv(selection: Selection, slices: AsyncIterator[Rows], dialect: Dialect) -> AsyncIterator[bytes]:
    yield csv_header(selection.averaging, dialect)
    async for rows in slices:
        yield await asyncio.to_thread(csv_lines, selection, rows, dialect)


def csv_header(averaging: Averaging, dialect: Dialect) -> bytes:
    """Return the header line of a CSV table."""
    names = _RAW_COLUMNS if averaging is Averaging.RAW else _MEAN_COLUMNS
    return dialect.format_header((*_LEADING_COLUMNS, *names))


def csv_lines(selection: Selection, rows: Rows, dialect: Dialect) -> bytes:
    """Return rows of `stream_rows` as lines."""
    leading_cells = selection.station, selection.observed_property, selection.unit
    flags_index = column_names(selection).index("flags")
    lines = []
    for row in rows:
        cells = [*leading_cells, *row]
        cells[len(leading_cells) + flags_index] = " ".join(_flag_names(row[flags_index]))
        lines.append(cells)
    return dialect.format_lines(lines)


def csv_from_means(selection: Selection, means: Sequence[Any], dialect: Dialect) -> bytes:
    """Write means that are loaded already (times as text, flags as names) as CSV lines with the same columns."""
    leading_cells = selection.station, selection.observed_property, selection.unit
    return dialect.format_lines([
        (*leading_cells, datetime.fromisoformat(m.start), datetime.fromisoformat(m.end), m.count, m.valid_count,
         m.expected_count, m.mean, m.min, m.max, " ".join(m.flags), m.corrected,
         m.correction, m.uncorrected)
        for m in means
    ])  # fmt: skip


def _flag_names(bits: int | None) -> list[str]:
    """Return the names of the flags; None: the values could not be read."""
    if bits is None:
        return [UNREADABLE]
    return [str(flag.name).lower() for flag in Flag if bits & flag] if bits else []


async def _write_parquet(
    selection: Selection, slices: AsyncIterator[Rows], notes: Mapping[str, str]
) -> AsyncIterator[bytes]:
    names = column_names(selection)
    metadata = {
        "station": selection.station,
        "observed_property": selection.observed_property,
        "unit": selection.unit,
        "averaging": selection.averaging.value,
        **({"time_zone": selection.time_zone} if selection.averaging is Averaging.DAY else {}),
        "start": format_instant(selection.start),
        "end": format_instant(selection.end),
        **notes,
    }
    schema = pa.schema([(name, _COLUMN_TYPES[name]) for name in names], metadata=metadata)
    sink = _ByteSink()
    buffered: list[Sequence[Any]] = []
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        async for rows in slices:
            buffered += rows
            if len(buffered) >= _ROW_GROUP_SIZE:
                await asyncio.to_thread(_write_row_group, writer, schema, buffered)
                buffered = []
                yield sink.take()
        if buffered:
            await asyncio.to_thread(_write_row_group, writer, schema, buffered)
    yield sink.take()


def _write_row_group(writer: Any, schema: Any, rows: Rows) -> None:  # noqa: ANN401 - pyarrow has no types
    flags_index = schema.names.index("flags")
    arrays = [
        pa.array([_flag_names(v) for v in column] if i == flags_index else column, type=schema.field(i).type)
        for i, column in enumerate(zip(*rows, strict=True))
    ]
    writer.write_table(pa.Table.from_arrays(arrays, schema=schema), row_group_size=_ROW_GROUP_SIZE)


class _ByteSink(io.RawIOBase):
    """A binary file in memory whose bytes are taken out while it is written."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._position = 0

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any, /) -> int:  # noqa: ANN401 - any buffer
        """Store the bytes until `take`."""
        chunk = bytes(data)
        self._chunks.append(chunk)
        self._position += len(chunk)
        return len(chunk)

    def tell(self) -> int:
        """Return the number of bytes written so far."""
        return self._position

    def take(self) -> bytes:
        """Return the bytes written since the last call, and drop them."""
        content, self._chunks = b"".join(self._chunks), []
        return content
