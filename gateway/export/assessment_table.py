"""Assessments as a table: a row per datastream and level, as CSV or Parquet. Pure."""

import io
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Struct

from gateway.assessment.assess import SubstanceAssessment
from gateway.assessment.levels import PublishedLevel
from gateway.export.selection import TableFormat
from gateway.export.tables import DIALECTS
from gateway.model.figures import shorten

_COLUMNS: Mapping[str, pa.DataType] = {
    "station": pa.string(), "datastream": pa.int64(), "observed_property": pa.string(), "unit": pa.string(),
    "hours": pa.int64(), "complete_hours": pa.int64(), "level": pa.string(), "kind": pa.string(),
    "averaging": pa.string(), "level_value": pa.float64(), "at_or_above": pa.int64(), "complete": pa.int64(),
    "periods": pa.int64(), "highest": pa.float64(), "seconds_at_or_above": pa.int64(), "not_assessed": pa.string(),
    "source": pa.string(), "edition": pa.string(), "published": pa.string(),
}  # fmt: skip


class AssessedStream(Struct, frozen=True, kw_only=True):
    """A datastream of a station with its assessment."""

    station: str
    datastream: int
    assessment: SubstanceAssessment


def write_assessments(streams: Sequence[AssessedStream], format_: TableFormat, notes: Mapping[str, str]) -> bytes:
    """Return the table as a file. Parquet files also get `notes` (licence, period) as metadata."""
    rows = list_rows(streams)
    if format_ is not TableFormat.PARQUET:
        dialect = DIALECTS[format_]
        return dialect.format_header(list(_COLUMNS)) + dialect.format_lines(rows)
    schema = pa.schema(list(_COLUMNS.items()), metadata=dict(notes))
    columns = list(zip(*rows, strict=True)) or [()] * len(_COLUMNS)
    arrays = [pa.array(column, type=field.type) for column, field in zip(columns, schema, strict=True)]
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), sink, compression="zstd")
    return sink.getvalue()


def list_rows(streams: Sequence[AssessedStream]) -> list[tuple[object, ...]]:
    """Return the rows in the order of the columns: assessed levels first, then those that are not assessed and why."""
    rows = list[tuple[object, ...]]()
    for stream in streams:
        a = stream.assessment
        leading = stream.station, stream.datastream, a.substance, "ug/m3", a.hours, a.complete_hours
        for count in a.counts:
            figures = count.at_or_above, count.complete, count.periods, shorten(count.highest), count.seconds
            rows.append((*leading, *_level_cells(count.level), *figures, None, *_source_cells(count.level)))
        for refusal in a.refusals:
            empty = (None,) * 5
            rows.append(
                (*leading, *_level_cells(refusal.level), *empty, refusal.reason.value, *_source_cells(refusal.level))
            )
    return rows


def _level_cells(level: PublishedLevel) -> tuple[object, ...]:
    return level.id, level.kind, level.averaging.value, level.value


def _source_cells(level: PublishedLevel) -> tuple[object, ...]:
    return level.source, level.edition, level.published.isoformat()
