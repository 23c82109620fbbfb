"""A Parquet file as a table of cells, so that the one reader of recordings reads it too.

Numbers become their shortest text, which reads back as the same number; times become RFC 3339 in UTC. The files of
`piekwacht export` have station and property in their metadata; they become columns, as in its CSV files.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from alerting.errors import one_line
from edge_agent.configuration import ConfigurationError
from edge_agent.recordings.files import TableRow

_METADATA_COLUMNS = ("station", "observed_property")
_MAX_GROUP_BYTES = 1 << 30  # of a row group when unpacked; a million readings have some 20 MB


class ParquetTable:
    """A Parquet file whose row i is line i + 1; the names of the columns are line 1."""

    separators = ","

    def __init__(self, path: Path) -> None:
        self.path = path

    def rows(self, _separator: str) -> Iterator[TableRow]:
        """Yield the names of the columns, then all rows. Raises ConfigurationError."""
        try:
            with pa.parquet.ParquetFile(self.path) as file:
                schema = file.schema_arrow
                self._check_size(file.metadata)
                leading = _leading_cells(schema)
                yield TableRow(1, [*leading, *schema.names])
                number = 1
                for batch in file.iter_batches():
                    columns = [column.to_pylist() for column in batch.columns]
                    for row in zip(*columns, strict=True):
                        number += 1
                        yield TableRow(number, [*leading.values(), *map(_to_text, row)])
        except (OSError, ValueError, OverflowError, pa.ArrowException) as error:
            raise ConfigurationError(
                f"{self.path}: the recording cannot be read as Parquet ({one_line(error)[:200]})"
            ) from None

    def _check_size(self, metadata: Any) -> None:  # noqa: ANN401 - pyarrow has no types
        """Refuse a small file that would fill the memory: rows are read group by group."""
        sizes = (metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
        largest = max(sizes, default=0)
        if largest > _MAX_GROUP_BYTES:
            raise ConfigurationError(
                f"{self.path}: a row group has {largest >> 20} MB when unpacked, more than {_MAX_GROUP_BYTES >> 20}; "
                "write the file again with smaller row groups"
            )


def _leading_cells(schema: pa.Schema) -> dict[str, str]:
    metadata = schema.metadata or {}
    return {
        name: metadata[name.encode()].decode()
        for name in _METADATA_COLUMNS
        if name.encode() in metadata and name not in schema.names
    }


def _to_text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return (cell if cell.tzinfo is None else cell.astimezone(UTC)).isoformat()
    if isinstance(cell, list):
        return " ".join(map(str, cell))
    return repr(cell) if isinstance(cell, float) else str(cell)
