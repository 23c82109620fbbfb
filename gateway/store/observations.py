"""Observations into the database, at the speed of binary COPY.

The COPY stream is made by numpy as arrays of fixed-width records: no Python code runs a row. Rows
with and without a value differ in width, so they are two runs of records in one stream.
Source of the layout: PostgreSQL manual, COPY, "Binary Format".
"""

from collections.abc import Iterator, Sequence

import numpy as np

from gateway.observation import FlagArray, FloatArray, IntArray, ObservationBatch
from gateway.registry import Registry
from gateway.store.connection import QUERIES, Transaction

_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)  # signature, no flags, no extension
_TRAILER = b"\xff\xff"
_AT_ONCE = 10_000  # rows
_EPOCH = 946_684_800_000  # 2000-01-01 in ms: PostgreSQL counts microseconds from there

_FIELDS = [("id_n", ">i4"), ("id", ">i4"), ("at_n", ">i4"), ("at", ">i8")]
_TAIL = [("flags_n", ">i4"), ("flags", ">i4"), ("batch_n", ">i4"), ("batch", ">i8")]
_FULL = np.dtype([("fields", ">i2"), *_FIELDS, ("value_n", ">i4"), ("value", ">f8"), *_TAIL])
_EMPTY = np.dtype([("fields", ">i2"), *_FIELDS, ("value_n", ">i4"), *_TAIL])


def encode(datastream: IntArray, observed_at: IntArray, value: FloatArray, flags: FlagArray, batch: IntArray) -> bytes:
    """Columns, shape (n,) -> a whole binary COPY stream. Times in ms UTC; NaN in `value` becomes NULL."""
    return b"".join((_HEADER, *_records(datastream, observed_at, value, flags, batch), _TRAILER))


def _records(
    datastream: IntArray, observed_at: IntArray, value: FloatArray, flags: FlagArray, batch: IntArray
) -> Iterator[bytes]:
    empty = np.isnan(value)
    for kind, rows in ((_FULL, ~empty), (_EMPTY, empty)):
        record = np.empty(int(rows.sum()), kind)
        record["fields"] = 5
        record["id_n"], record["id"] = 4, datastream[rows]
        record["at_n"], record["at"] = 8, (observed_at[rows] - _EPOCH) * 1000
        record["flags_n"], record["flags"] = 4, flags[rows]
        record["batch_n"], record["batch"] = 8, batch[rows]
        if kind is _FULL:
            record["value_n"], record["value"] = 8, value[rows]
        else:
            record["value_n"] = -1
        yield record.tobytes()


async def copy(tx: Transaction, rows: ObservationBatch, batch_ids: Sequence[int], registry: Registry) -> None:
    """Append the rows; `rows.batch` indexes `batch_ids`."""
    if not len(rows):
        return
    ids = np.frombuffer(registry.ids, np.int64)[rows.datastream]
    batches = np.array(batch_ids, np.int64)[rows.batch]
    async with tx.cursor() as cursor, cursor.copy(QUERIES["copy_observations"]) as out:
        await out.write(_HEADER)
        for begin in range(0, len(rows), _AT_ONCE):  # the database takes one part in while the next is encoded
            part = slice(begin, begin + _AT_ONCE)
            columns = ids[part], rows.observed_at[part], rows.value[part], rows.flags[part], batches[part]
            await out.write(b"".join(_records(*columns)))
        await out.write(_TRAILER)
