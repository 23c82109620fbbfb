"""The signed bytes of stored batches, as rows of the binary stream that PostgreSQL's COPY reads. Pure.

All of a row but its id is made before the transaction, so that the database need not wait for it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from struct import Struct
from typing import Self

from gateway.decoding.decode import Heading
from gateway.store.copy_observations import HEADER, TRAILER

_BEGINNING = Struct("!hiq")  # number of columns; id
_FIXED = Struct("!iqiqi?iqi32si")  # seq, mono, hist, received_at, sha256; then the length of the payload
_LENGTH = Struct("!i")
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Rows of `batch`, each without its beginning."""

    rows: Sequence[bytes]

    @classmethod
    def of(cls, headings: Sequence[Heading]) -> Self:
        """In their order."""
        return cls(rows=[b"".join(_parts(heading)) for heading in headings])

    def numbered(self, ids: Sequence[int]) -> bytes:
        """The whole stream (the columns are those of `copy_batches`), once it is known what id each batch has."""
        pairs = ((_BEGINNING.pack(11, 8, id_), row) for id_, row in zip(ids, self.rows, strict=True))
        return b"".join((HEADER, *(part for pair in pairs for part in pair), TRAILER))


def _parts(heading: Heading) -> Iterator[bytes]:
    payload = heading.payload
    yield _names(heading.node, heading.inc, heading.boot, heading.clock.value)
    received_at = _microseconds(payload.received_at)
    numbers = (8, heading.seq, 8, heading.mono, 1, heading.late, 8, received_at)  # each after its length
    yield _FIXED.pack(*numbers, 32, heading.sha256, len(payload.body))
    yield payload.body


@lru_cache(maxsize=20_000)  # the same for months
def _names(*names: str) -> bytes:
    return b"".join(_LENGTH.pack(len(raw)) + raw for raw in (name.encode() for name in names))


@lru_cache(maxsize=4)  # of a micro-batch all are the same
def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND
