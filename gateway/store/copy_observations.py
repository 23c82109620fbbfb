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

_FIRST_FIELDS = [("id_n", ">i4"), ("id", ">i4"), ("at_n", ">i4"), ("at", ">i8")]
_LAST_FIELDS = [("flags_n", ">i4"), ("flags", ">i4"), ("batch_n", ">i4"), ("batch", ">i8")]
_VALUE_DTYPE = np.dtype([("fields", ">i2"), *_FIRST_FIELDS, ("value_n", ">i4"), ("value", ">f8"), *_LAST_FIELDS])
_NULL_DTYPE = np.dtype([("fields", ">i2"), *_FIRST_FIELDS, ("value_n", ">i4"), *_LAST_FIELDS])


def encode_observations(
    datastream: IntArray, observed_at: IntArray, value: FloatArray, flags: FlagArray, batch: IntArray
) -> bytes:
    """Columns, shape (n,) -> a whole binary COPY stream. Times in ms UTC; NaN in `value` becomes NULL."""
    groups = _build_records(datastream, observed_at, value, flags, np.arange(len(batch)))
    return b"".join((HEADER, *(group.encode_records(batch) for group in groups), TRAILER))


@dataclass(frozen=True, kw_only=True)
class CopyRecords:
    """Records of one width, complete but for the id of each one's batch; `batch` counts the batches."""

    records: NDArray[Any]
    batch_index: NDArray[Any]

    def encode_records(self, batch_ids: IntArray) -> memoryview:
        """The bytes, once it is known what id each batch has. They stand in `records`: one caller at a time."""
        self.records["batch"] = batch_ids[self.batch_index]
        return self.records.view(np.uint8).data


def prepare_records(observations: ObservationBatch, registry: Registry) -> list[CopyRecords]:
    """All of the stream that can be made before the transaction; pure.

    In the order of the index: COPY takes a tenth less time where neighbours come together.
    """
    order = np.argsort(observations.datastream, kind="stable")
    datastream_ids = np.frombuffer(registry.datastream_ids, np.int64)[observations.datastream[order]]
    return _build_records(
        datastream_ids,
        observations.observed_at[order],
        observations.value[order],
        observations.flags[order],
        observations.batch[order],
    )


def _build_records(
    datastream: IntArray, observed_at: IntArray, value: FloatArray, flags: FlagArray, batch: NDArray[Any]
) -> list[CopyRecords]:
    is_null = np.isnan(value)
    groups = []
    for dtype, selected in ((_VALUE_DTYPE, ~is_null), (_NULL_DTYPE, is_null)):
        records = np.empty(int(selected.sum()), dtype)
        records["fields"] = 5
        records["id_n"], records["id"] = 4, datastream[selected]
        records["at_n"], records["at"] = 8, (observed_at[selected] - _EPOCH) * 1000
        records["flags_n"], records["flags"] = 4, flags[selected]
        records["batch_n"] = 8
        if dtype is _VALUE_DTYPE:
            records["value_n"], records["value"] = 8, value[selected]
        else:
            records["value_n"] = -1
        groups.append(CopyRecords(records=records, batch_index=batch[selected]))
    return groups
