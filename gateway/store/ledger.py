"""The ledger of committed batches, which makes "exactly once" exact. Called by the ingest pipeline.

The key of a batch is (node, incarnation, seq). The ranges of received numbers are updated in the
transaction of the COPY. The hash of every batch is stored too: the same key with other bytes is
rejected as tampered.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from edge_agent.wire import StoredRanges
from gateway.decoding.decode import BatchHeader, Payload, RejectedPayload
from gateway.decoding.rejection import RejectionReason
from gateway.store.connection import QUERIES, Transaction, fetch_scalar
from gateway.store.copy_batches import BatchRows


@dataclass(frozen=True, kw_only=True)
class AcceptedBatches:
    """A micro-batch sorted into new batches, duplicates, and batches whose key is stored with other bytes.

    ids               ids of the new batches, in their order
    registry_version  version of the registry in the same transaction
    """

    new: list[BatchHeader]
    duplicates: list[BatchHeader]
    tampered: list[RejectedPayload]
    ids: Sequence[int] = ()
    registry_version: int = 0


def classify_batches(headers: Sequence[BatchHeader], stored_hashes: dict[int, bytes | None]) -> AcceptedBatches:
    """Sort batches. Pure: `stored_hashes` maps the index of each stored batch to its hash (None: unknown)."""
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
    """Separate new batches from stored ones, and number the new ones."""
    values = _encode_keys([v.key for v in headers]) | {"count": len(headers)}
    # a tuple, unpacked by name: the hot path of ingest
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
    """Load all stored numbers of each (node, incarnation) among `keys`, in inclusive ranges."""
    if not keys:
        return []
    spools = msgspec.json.encode([_Spool(node, inc) for node, inc in dict.fromkeys(key[:2] for key in keys)])
    ranges_json = await fetch_scalar(tx, QUERIES["select_received_ranges"], {"spools": spools})
    return msgspec.json.decode(ranges_json, type=list[StoredRanges]) if ranges_json else []


async def copy_batches(tx: Transaction, rows: BatchRows, batch_ids: Sequence[int]) -> None:
    """Store the signed bytes of each batch; last, so that `committed_at` is as late as possible."""
    if not batch_ids:
        return
    async with tx.cursor() as cursor, cursor.copy(QUERIES["copy_batches"]) as out:
        await out.write(rows.encode_stream(batch_ids))


class _Spool(msgspec.Struct):  # sent as JSON: psycopg encodes arrays element by element in Python
    node_id: str
    incarnation: str


class _Key(_Spool):
    seq: int


def _encode_keys(keys: Sequence[tuple[str, str, int]]) -> dict[str, object]:
    return {"keys": msgspec.json.encode([_Key(*key) for key in keys])}
