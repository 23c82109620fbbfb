"""Observations as the binary stream that PostgreSQL's COPY reads. Pure. Called by ingest.

numpy builds the stream as arrays of fixed-width records: no Python code runs per row. Rows
with and without a value differ in width, so they are two groups of records in one stream.
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

_FIRST_FIELDS = [("id_length", ">i4"), ("datastream_id", ">i4"), ("at_length", ">i4"), ("observed_at", ">i8")]
_LAST_FIELDS = [("flags_length", ">i4"), ("flags", ">i4"), ("batch_length", ">i4"), ("batch_id", ">i8")]
_VALUE_DTYPE = np.dtype([("fields", ">i2"), *_FIRST_FIELDS, ("value_length", ">i4"), ("value", ">f8"), *_LAST_FIELDS])
_NULL_DTYPE = np.dtype([("fields", ">i2"), *_FIRST_FIELDS, ("value_length", ">i4"), *_LAST_FIELDS])


def encode_observations(
    datastream: IntArray, observed_at: IntArray, value: FloatArray, flags: FlagArray, batch: IntArray
) -> bytes:
    """Encode columns of shape (n,) as a whole stream. Times in ms UTC; NaN in `value` becomes NULL."""
    groups = _build_records(datastream, observed_at, value, flags, np.arange(len(batch)))
    return b"".join((HEADER, *(group.encode_records(batch) for group in groups), TRAILER))


@dataclass(frozen=True, kw_only=True)
class CopyRecords:
    """Records of one width, complete but for the batch ids; `batch_index` counts the batches of the micro-batch."""

    records: NDArray[Any]
    batch_index: NDArray[Any]

    def encode_records(self, batch_ids: IntArray) -> memoryview:
        """Fill in the batch ids and return the bytes of `records` itself: one caller at a time."""
        self.records["batch_id"] = batch_ids[self.batch_index]
        return self.records.view(np.uint8).data


def prepare_records(observations: ObservationBatch, registry: Registry) -> list[CopyRecords]:
    """Build the records before the transaction.

    They are in the order of the index: COPY then takes a tenth less time.
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
        records["id_length"], records["datastream_id"] = 4, datastream[selected]
        records["at_length"], records["observed_at"] = 8, (observed_at[selected] - _EPOCH) * 1000
        records["flags_length"], records["flags"] = 4, flags[selected]
        records["batch_length"] = 8
        if dtype is _VALUE_DTYPE:
            records["value_length"], records["value"] = 8, value[selected]
        else:
            records["value_length"] = -1
        groups.append(CopyRecords(records=records, batch_index=batch[selected]))
    return groups
