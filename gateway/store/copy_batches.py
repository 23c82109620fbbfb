"""Batches as rows of the binary stream that PostgreSQL's COPY reads. Pure. Called by ingest.

Each row but its id is encoded before the transaction, so that the database need not wait for it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from struct import Struct
from typing import Self

from gateway.decoding.decode import BatchHeader
from gateway.store.copy_observations import HEADER, TRAILER

_ROW_START = Struct("!hiq")  # number of columns; id
_FIXED_COLUMNS = Struct("!iqiqi?iqi32si")  # seq, mono, hist, received_at, sha256; then the length of the payload
_LENGTH = Struct("!i")
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class BatchRows:
    """Rows of `batch`, each without its first bytes: number of columns and id."""

    rows: Sequence[bytes]

    @classmethod
    def from_headers(cls, headers: Sequence[BatchHeader]) -> Self:
        """Encode batches, in their order."""
        return cls(rows=[b"".join(_encode_columns(header)) for header in headers])

    def encode_stream(self, batch_ids: Sequence[int]) -> bytes:
        """Return the whole stream for the query `copy_batches`; `batch_ids` are the ids of the rows, in their order."""
        pairs = ((_ROW_START.pack(11, 8, id_), row) for id_, row in zip(batch_ids, self.rows, strict=True))
        return b"".join((HEADER, *(part for pair in pairs for part in pair), TRAILER))


def _encode_columns(header: BatchHeader) -> Iterator[bytes]:
    payload = header.payload
    yield _encode_texts(header.node, header.inc, header.boot, header.clock.value)
    received_at = _postgres_microseconds(payload.received_at)
    numbers = (8, header.seq, 8, header.mono, 1, header.late, 8, received_at)  # each preceded by its length
    yield _FIXED_COLUMNS.pack(*numbers, 32, header.sha256, len(payload.body))
    yield payload.body


@lru_cache(maxsize=20_000)  # a node sends the same texts until it reboots
def _encode_texts(*texts: str) -> bytes:
    return b"".join(_LENGTH.pack(len(raw)) + raw for raw in (name.encode() for name in texts))


@lru_cache(maxsize=4)  # all batches of a micro-batch have the same time
def _postgres_microseconds(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND
