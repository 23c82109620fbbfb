"""Observations as the binary stream that PostgreSQL's COPY reads. Pure.

The stream is made by numpy as arrays of fixed-width records: no Python code runs a row. Rows
with and without a value differ in width, so they are two runs of records in one stream.
Source of the layout: PostgreSQL manual, COPY, "Binary Format".
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.model.observation import FlagArray, FloatArray, IntArray, ObservationBatch
from gateway.model.registry import Registry

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)  # signature, no flags, no extension
TRAILER = b"\xff\xff"
_EPOCH = 946_684_800_000  # 2000-01-01 in ms: PostgreSQL counts microseconds from there

_FIELDS = [("id_n", ">i4"), ("id", ">i4"), ("at_n", ">i4"), ("at", ">i8")]
_TAIL = [("flags_n", ">i4"), ("flags", ">i4"), ("batch_n", ">i4"), ("batch", ">i8")]
_FULL = np.dtype([("fields", ">i2"), *_FIELDS, ("value_n", ">i4"), ("value", ">f8"), *_TAIL])
_EMPTY = np.dtype([("fields", ">i2"), *_FIELDS, ("value_n", ">i4"), *_TAIL])


def encode(datastream: IntArray, observed_at: IntArray, value: FloatArray, flags: FlagArray, batch: IntArray) -> bytes:
    """Columns, shape (n,) -> a whole binary COPY stream. Times in ms UTC; NaN in `value` becomes NULL."""
    runs = _runs(datastream, observed_at, value, flags, np.arange(len(batch)))
    return b"".join((HEADER, *(run.numbered(batch) for run in runs), TRAILER))


@dataclass(frozen=True, kw_only=True)
class Run:
    """Records of one width, complete but for the id of each one's batch; `batch` counts the batches."""

    records: NDArray[Any]
    batch: NDArray[Any]

    def numbered(self, ids: IntArray) -> memoryview:
        """The bytes, once it is known what id each batch has. They stand in `records`: one caller at a time."""
        self.records["batch"] = ids[self.batch]
        return self.records.view(np.uint8).data


def prepare(rows: ObservationBatch, registry: Registry) -> list[Run]:
    """All of the stream that can be made before the transaction; pure.

    In the order of the index: COPY takes a tenth less time where neighbours come together.
    """
    order = np.argsort(rows.datastream, kind="stable")
    ids = np.frombuffer(registry.ids, np.int64)[rows.datastream[order]]
    return _runs(ids, rows.observed_at[order], rows.value[order], rows.flags[order], rows.batch[order])


def _runs(
    datastream: IntArray, observed_at: IntArray, value: FloatArray, flags: FlagArray, batch: NDArray[Any]
) -> list[Run]:
    empty = np.isnan(value)
    runs = []
    for kind, rows in ((_FULL, ~empty), (_EMPTY, empty)):
        record = np.empty(int(rows.sum()), kind)
        record["fields"] = 5
        record["id_n"], record["id"] = 4, datastream[rows]
        record["at_n"], record["at"] = 8, (observed_at[rows] - _EPOCH) * 1000
        record["flags_n"], record["flags"] = 4, flags[rows]
        record["batch_n"] = 8
        if kind is _FULL:
            record["value_n"], record["value"] = 8, value[rows]
        else:
            record["value_n"] = -1
        runs.append(Run(records=record, batch=batch[rows]))
    return runs
