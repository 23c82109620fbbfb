"""The ledger: which batches are committed. It is what makes "exactly once" exact.

The key of a batch is (node, incarnation, seq). Ranges of received numbers are updated in the
transaction of the COPY; the hash of every batch is kept, so that the same key with other bytes is
seen for what it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np

from edge_agent.wire import StoredRanges
from gateway.decoding.decode import Heading, Payload, Rejected
from gateway.decoding.rejection import Reason
from gateway.store.connection import QUERIES, Transaction
from gateway.store.copy_batches import Evidence


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """What of a micro-batch is new, what was stored before, what came again with other bytes.

    ids      for each of the new ones, in their order
    version  the registry's, in the same transaction
    """

    fresh: list[Heading]
    duplicates: list[Heading]
    tampered: list[Rejected]
    ids: Sequence[int] = ()
    version: int = 0


def sift(batches: Sequence[Heading], seen: dict[int, bytes | None]) -> Accepted:
    """Pure: `seen` maps the index of a batch that is stored already to the hash it had (None: unknown)."""
    accepted = Accepted(fresh=[], duplicates=[], tampered=[])
    first: dict[tuple[str, str, int], bytes] = {}
    for number, heading in enumerate(batches):
        stored = seen.get(number) if number in seen else first.get(heading.key)
        if number not in seen and heading.key not in first:
            first[heading.key] = heading.sha256
            accepted.fresh.append(heading)
        elif stored is not None and stored != heading.sha256:
            accepted.tampered.append(_tampered(heading.payload, heading.key))
        else:
            accepted.duplicates.append(heading)
    return accepted


def _tampered(payload: Payload, key: tuple[str, str, int]) -> Rejected:
    node, incarnation, seq = key
    detail = f"batch {seq} of {node} ({incarnation}) is stored with other bytes"
    return Rejected(payload=payload, reason=Reason.TAMPERED, detail=detail, key=key)


async def accept(tx: Transaction, batches: Sequence[Heading]) -> Accepted:
    """Tell new batches from stored ones, and number them."""
    of = _keys([v.key for v in batches]) | {"count": len(batches)}
    row = await (await tx.execute(QUERIES["accept_batches"], of)).fetchone()
    version, numbers, hashes, ids = row or (0, None, None, None)
    found = sift(batches, dict(zip(numbers or [], hashes or [], strict=True)))
    return replace(found, ids=np.frombuffer(ids or b"", ">i8")[: len(found.fresh)].tolist(), version=version)


async def record(tx: Transaction, keys: Sequence[tuple[str, str, int]]) -> None:
    """Mark these keys as received."""
    if keys:
        await tx.execute(QUERIES["record_received"], _keys(keys))


async def stored_ranges(tx: Transaction, keys: Sequence[tuple[str, str, int]]) -> list[StoredRanges]:
    """For each (node, incarnation) among `keys`: all that is stored, in inclusive ranges."""
    if not keys:
        return []
    spools = msgspec.json.encode([_Spool(node, inc) for node, inc in dict.fromkeys(key[:2] for key in keys)])
    row = await (await tx.execute(QUERIES["received_ranges"], {"spools": spools})).fetchone()
    return msgspec.json.decode(row[0], type=list[StoredRanges]) if row and row[0] else []


async def keep(tx: Transaction, evidence: Evidence, ids: Sequence[int]) -> None:
    """Keep the signed bytes of each batch; last, so that `committed_at` is as late as it can be."""
    if not ids:
        return
    async with tx.cursor() as cursor, cursor.copy(QUERIES["copy_batches"]) as out:
        await out.write(evidence.numbered(ids))


class _Spool(msgspec.Struct):  # as JSON: psycopg dumps an array element by element in Python
    node_id: str
    incarnation: str


class _Key(_Spool):
    seq: int


def _keys(keys: Sequence[tuple[str, str, int]]) -> dict[str, Any]:
    return {"keys": msgspec.json.encode([_Key(*key) for key in keys])}
