"""The ledger of committed batches, which makes "exactly once" exact. Called by the ingest pipeline.

The key of a batch is (node, incarnation, seq). The ranges of received numbers are updated in the
transaction of the COPY. The hash of every batch is stored too. The same key with other bytes is
rejected as tampered, and the answer to the node names the hash that holds the key. The node then sends
its batch under another key: see edge_agent/spool.py.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np

from edge_agent.wire import StoredRanges
from gateway.decoding.decode import BatchHeader, Payload, RejectedPayload
from gateway.decoding.rejection import RejectionReason
from gateway.store.connection import QUERIES, Transaction, fetch_scalar
from gateway.store.copy_batches import BatchRows

BatchKey = tuple[str, str, int]
"""(node, incarnation, seq)"""

_UNKNOWN_OWNER = bytes(32)  # the number belongs to bytes of which only the quarantine knows


@dataclass(frozen=True, kw_only=True)
class AcceptedBatches:
    """A micro-batch sorted into new batches, duplicates, and batches whose key is stored with other bytes.

    owners            SHA-256 of the bytes that hold each key, for the answer to the nodes
    ids               ids of the new batches, in their order
    registry_version  version of the registry in the same transaction
    """

    new: list[BatchHeader]
    duplicates: list[BatchHeader]
    tampered: list[RejectedPayload]
    owners: dict[BatchKey, bytes] = field(default_factory=dict)
    ids: Sequence[int] = ()
    registry_version: int = 0


def classify_batches(
    headers: Sequence[BatchHeader], stored_hashes: dict[int, bytes], rejected: Sequence[RejectedPayload] = ()
) -> AcceptedBatches:
    """Sort batches. Pure: `stored_hashes` maps the index of each stored batch to its hash.

    `rejected`: payloads for quarantine that take a key too; their indexes follow those of `headers`.
    """
    accepted = AcceptedBatches(new=[], duplicates=[], tampered=[])
    owners = accepted.owners
    for index, header in enumerate(headers):
        is_new = index not in stored_hashes and header.key not in owners
        owner = owners.setdefault(header.key, stored_hashes.get(index, header.sha256))
        if is_new:
            accepted.new.append(header)
        elif owner != header.sha256:
            accepted.tampered.append(_reject_tampered(header.payload, header.key))
        else:
            accepted.duplicates.append(header)
    for index, rejection in enumerate(rejected, len(headers)):
        if rejection.key is not None:
            owners.setdefault(rejection.key, stored_hashes.get(index) or _hash(rejection.payload))
    return accepted


def _hash(payload: Payload) -> bytes:
    return hashlib.sha256(payload.body).digest()


def _reject_tampered(payload: Payload, key: BatchKey) -> RejectedPayload:
    node, incarnation, seq = key
    detail = f"batch {seq} of {node} ({incarnation}) is stored with other bytes: a copy of the card uses this number"
    return RejectedPayload(payload=payload, reason=RejectionReason.TAMPERED, detail=detail, key=key)


async def accept_batches(
    tx: Transaction, headers: Sequence[BatchHeader], rejected: Sequence[RejectedPayload] = ()
) -> AcceptedBatches:
    """Separate new batches from stored ones, and number the new ones. `rejected`: see `classify_batches`."""
    keyed = [rejection for rejection in rejected if rejection.key is not None]
    keys = [v.key for v in headers] + [rejection.key for rejection in keyed if rejection.key is not None]
    values = _encode_keys(keys) | {"count": len(headers)}
    # a tuple, unpacked by name: the hot path of ingest
    row = await (await tx.execute(QUERIES["accept_batches"], values)).fetchone()
    version, stored_indexes, hashes, ids = row or (0, None, None, None)
    stored_hashes: dict[int, bytes | None] = dict(zip(stored_indexes or [], hashes or [], strict=True))
    owners = {index: hash_ for index, hash_ in stored_hashes.items() if hash_ is not None}
    if len(owners) < len(stored_hashes):
        unknown = {index for index in stored_hashes if index not in owners}
        owners |= await _find_quarantined(tx, headers, keyed, unknown)
    accepted = classify_batches(headers, owners, keyed)
    return replace(
        accepted, ids=np.frombuffer(ids or b"", ">i8")[: len(accepted.new)].tolist(), registry_version=version
    )


async def _find_quarantined(
    tx: Transaction, headers: Sequence[BatchHeader], rejected: Sequence[RejectedPayload], indexes: Iterable[int]
) -> dict[int, bytes]:
    """Find the owners of keys that a quarantined batch took: these bytes if they are in quarantine, else others."""
    hashes = {i: headers[i].sha256 if i < len(headers) else _hash(rejected[i - len(headers)].payload) for i in indexes}
    values = {"hashes": list(hashes.values()), "reason": RejectionReason.IMPOSSIBLE_TIME.value}
    rows = await (await tx.execute(QUERIES["select_quarantined_hashes"], values)).fetchall()
    quarantined = {bytes(hash_) for (hash_,) in rows}
    return {index: hash_ if hash_ in quarantined else _UNKNOWN_OWNER for index, hash_ in hashes.items()}


async def record_received(tx: Transaction, keys: Sequence[BatchKey]) -> None:
    """Mark these keys as received."""
    if keys:
        await tx.execute(QUERIES["record_received"], _encode_keys(keys))


async def load_stored_ranges(tx: Transaction, owners: Mapping[BatchKey, bytes]) -> list[StoredRanges]:
    """Load all stored numbers of each (node, incarnation) among the keys, with the hashes that hold these keys."""
    if not owners:
        return []
    keys = list(owners)
    spools = msgspec.json.encode([_Spool(node, inc) for node, inc in dict.fromkeys(key[:2] for key in keys)])
    ranges_json = await fetch_scalar(tx, QUERIES["select_received_ranges"], {"spools": spools})
    return _add_hashes(msgspec.json.decode(ranges_json, type=list[StoredRanges]) if ranges_json else [], owners)


def _add_hashes(ranges: Sequence[StoredRanges], owners: Mapping[BatchKey, bytes]) -> list[StoredRanges]:
    hashes: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for (node, incarnation, seq), owner in owners.items():
        hashes.setdefault((node, incarnation), []).append((seq, owner.hex()[:32]))
    return [msgspec.structs.replace(stored, hashes=hashes[stored.node, stored.inc]) for stored in ranges]


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


def _encode_keys(keys: Sequence[BatchKey]) -> dict[str, object]:
    return {"keys": msgspec.json.encode([_Key(*key) for key in keys])}
