"""Rows as CSV (RFC 4180) or Parquet, made while they are read: memory is bounded by a slice, not by the period."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from edge_agent.wire import Flag
from gateway.export.selection import Averaging, Format, Rows, Selection
from gateway.quality.humidity_correction import rule_for

_BESIDE = ("corrected", "correction", "uncorrected")  # the value, by which rule; or why there is none
_RAW = ("observed_at", "value", "flags", "node", "incarnation", "seq", *_BESIDE)
_MEANS = ("start", "count", "valid_count", "mean", "min", "max", "flags", *_BESIDE)
_AT = pa.timestamp("us", tz="UTC")
_TYPES: Mapping[str, Any] = {
    "observed_at": _AT, "start": _AT, "seq": pa.int64(), "count": pa.int64(), "valid_count": pa.int64(),
    "value": pa.float64(), "mean": pa.float64(), "min": pa.float64(), "max": pa.float64(),
    "flags": pa.list_(pa.dictionary(pa.int8(), pa.string())), "node": pa.dictionary(pa.int32(), pa.string()),
    "incarnation": pa.dictionary(pa.int32(), pa.string()), "corrected": pa.float64(),
    "correction": pa.dictionary(pa.int8(), pa.string()), "uncorrected": pa.dictionary(pa.int8(), pa.string()),
}  # fmt: skip
_GROUP = 100_000  # rows of a Parquet row group


MEDIA = {Format.CSV: "text/csv", Format.PARQUET: "application/vnd.apache.parquet"}


def columns(selection: Selection) -> Sequence[str]:
    """Names of the columns, in the order of the rows."""
    return _RAW if selection.averaging is Averaging.RAW else _MEANS


def write(
    selection: Selection, found: AsyncIterator[Rows], format_: Format, notes: Mapping[str, str]
) -> AsyncIterator[bytes]:
    """The table's bytes, piece by piece. `notes` (licence, attribution) go into the file where it has a place."""
    return _csv(selection, found) if format_ is Format.CSV else _parquet(selection, found, notes)


async def _csv(selection: Selection, found: AsyncIterator[Rows]) -> AsyncIterator[bytes]:
    what = selection.station, selection.observed_property, selection.unit
    names = columns(selection)
    yield head(selection.averaging)
    flags = names.index("flags")
    async for rows in found:
        yield await asyncio.to_thread(_lines, [(*what, *_written(row, flags)) for row in rows])


def head(averaging: Averaging) -> bytes:
    """The first line of a table as CSV."""
    names = _RAW if averaging is Averaging.RAW else _MEANS
    return _lines([("station", "observed_property", "unit", *names)])


def mean_lines(selection: Selection, means: Sequence[Any]) -> bytes:
    """Means that are known already (start, flags as text) as lines of CSV, in the same columns."""
    what = selection.station, selection.observed_property, selection.unit
    rule = rule_for(selection.observed_property)
    label = None if rule is None else rule.label
    return _lines([
        (*what, m.start, m.count, m.valid_count, m.mean, m.min, m.max, " ".join(m.flags),
         m.corrected, None if m.corrected is None else label, m.uncorrected)
        for m in means
    ])  # fmt: skip


def _lines(rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _written(row: Sequence[Any], flags: int) -> list[object]:
    out = list(row)
    out[0] = moment(row[0])
    out[flags] = " ".join(_names(row[flags]))
    return out


def moment(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds and Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _names(bits: int) -> list[str]:
    return [str(flag.name).lower() for flag in Flag if bits & flag] if bits else []


async def _parquet(selection: Selection, found: AsyncIterator[Rows], notes: Mapping[str, str]) -> AsyncIterator[bytes]:
    names = columns(selection)
    about = {
        "station": selection.station,
        "observed_property": selection.observed_property,
        "unit": selection.unit,
        "averaging": selection.averaging.value,
        "start": moment(selection.start),
        "end": moment(selection.end),
        **notes,
    }
    schema = pa.schema([(name, _TYPES[name]) for name in names], metadata=about)
    sink = _Sink()
    waiting: list[Sequence[Any]] = []
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        async for rows in found:
            waiting += rows
            if len(waiting) >= _GROUP:
                await asyncio.to_thread(_group, writer, schema, waiting)
                waiting = []
                yield sink.taken()
        if waiting:
            await asyncio.to_thread(_group, writer, schema, waiting)
    yield sink.taken()


def _group(writer: Any, schema: Any, rows: Rows) -> None:  # noqa: ANN401 - pyarrow has no types
    flags = schema.names.index("flags")
    arrays = [
        pa.array([_names(v) for v in column] if i == flags else column, type=schema.field(i).type)
        for i, column in enumerate(zip(*rows, strict=True))
    ]
    writer.write_table(pa.Table.from_arrays(arrays, schema=schema), row_group_size=_GROUP)


class _Sink(io.RawIOBase):
    """A file that is given away while it is written."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: Any, /) -> int:  # noqa: ANN401 - any buffer
        """Keep the bytes until they are taken."""
        part = bytes(data)
        self._parts.append(part)
        self._at += len(part)
        return len(part)

    def tell(self) -> int:
        """How much was ever written."""
        return self._at

    def taken(self) -> bytes:
        """What was written since the last time."""
        out, self._parts = b"".join(self._parts), []
        return out
