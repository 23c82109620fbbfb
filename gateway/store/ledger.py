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
from gateway.decoding.decode import BatchHeader, Payload, RejectedPayload
from gateway.decoding.rejection import RejectionReason
from gateway.store.connection import QUERIES, Transaction
from gateway.store.copy_batches import BatchRows


@dataclass(frozen=True, kw_only=True)
class AcceptedBatches:
    """What of a micro-batch is new, what was stored before, what came again with other bytes.

    ids      for each of the new ones, in their order
    version  the registry's, in the same transaction
    """

    new: list[BatchHeader]
    duplicates: list[BatchHeader]
    tampered: list[RejectedPayload]
    ids: Sequence[int] = ()
    registry_version: int = 0


def classify_batches(headers: Sequence[BatchHeader], stored_hashes: dict[int, bytes | None]) -> AcceptedBatches:
    """Pure: `seen` maps the index of a batch that is stored already to the hash it had (None: unknown)."""
    accepted = AcceptedBatches(new=[], duplicates=[], tampered=[])
    first_hashes: dict[tuple[str, str, int], bytes] = {}
    for index, header in enumerate(headers):
        stored_hash = stored_hashes.get(index) if index in stored_hashes else first_hashes.get(header.key)
        if index not in stored_hashes and header.key not in first_hashes:
            first_hashes[header.key] = header.sha256
            accepted.new.append(header)
        elif stored_hash is not None and stored_hash != header.sha256:
            accepted.tampered.append(_reject_tampered(header.payload, header.key))
        else:
            accepted.duplicates.append(header)
    return accepted


def _reject_tampered(payload: Payload, key: tuple[str, str, int]) -> RejectedPayload:
    node, incarnation, seq = key
    detail = f"batch {seq} of {node} ({incarnation}) is stored with other bytes"
    return RejectedPayload(payload=payload, reason=RejectionReason.TAMPERED, detail=detail, key=key)


async def accept_batches(tx: Transaction, headers: Sequence[BatchHeader]) -> AcceptedBatches:
    """Tell new batches from stored ones, and number them."""
    values = _encode_keys([v.key for v in headers]) | {"count": len(headers)}
    row = await (await tx.execute(QUERIES["accept_batches"], values)).fetchone()
    version, stored_indexes, hashes, ids = row or (0, None, None, None)
    accepted = classify_batches(headers, dict(zip(stored_indexes or [], hashes or [], strict=True)))
    return replace(
        accepted, ids=np.frombuffer(ids or b"", ">i8")[: len(accepted.new)].tolist(), registry_version=version
    )


async def record_received(tx: Transaction, keys: Sequence[tuple[str, str, int]]) -> None:
    """Mark these keys as received."""
    if keys:
        await tx.execute(QUERIES["record_received"], _encode_keys(keys))


async def load_stored_ranges(tx: Transaction, keys: Sequence[tuple[str, str, int]]) -> list[StoredRanges]:
    """For each (node, incarnation) among `keys`: all that is stored, in inclusive ranges."""
    if not keys:
        return []
    spools = msgspec.json.encode([_Spool(node, inc) for node, inc in dict.fromkeys(key[:2] for key in keys)])
    row = await (await tx.execute(QUERIES["select_received_ranges"], {"spools": spools})).fetchone()
    return msgspec.json.decode(row[0], type=list[StoredRanges]) if row and row[0] else []


async def copy_batches(tx: Transaction, rows: BatchRows, batch_ids: Sequence[int]) -> None:
    """Keep the signed bytes of each batch; last, so that `committed_at` is as late as it can be."""
    if not batch_ids:
        return
    async with tx.cursor() as cursor, cursor.copy(QUERIES["copy_batches"]) as out:
        await out.write(rows.encode_stream(batch_ids))


class _Spool(msgspec.Struct):  # as JSON: psycopg dumps an array element by element in Python
    node_id: str
    incarnation: str


class _Key(_Spool):
    seq: int


def _encode_keys(keys: Sequence[tuple[str, str, int]]) -> dict[str, Any]:
    return {"keys": msgspec.json.encode([_Key(*key) for key in keys])}
