"""The detection file of an event: what the detector had, from the state before it to the newest revision.

The leaves of the public log name the batches and their order, so a verifier sees that none is left out. Nothing is
computed here: the state is the stored checkpoint of the area, the batches are as they arrived.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.api.data.registry import PublicRegistry
from gateway.dossier.contents import DetectedEvent
from gateway.dossier.snapshot import Snapshot
from gateway.transparency.leaf import Leaf, hash_content
from gateway.transparency.logged_state import LoggedState
from gateway.transparency.proofs import Prover
from gateway.transparency.range_proof import prove_range
from gateway.transparency.state_leaves import build_state, name_state
from gateway.verification.detection_file import (
    MAX_LEAVES,
    DetectedRegistry,
    DetectedStream,
    DetectionFile,
    DetectionLeaf,
    NamedProperty,
    PlacedSite,
    PlacedStation,
    StartState,
)
from gateway.verification.evidence_file import LoggedDocument, LoggedLeaf

_REPLACED = "detector_replaced"  # gateway.detection.confidence, which loads numba, has this reason
_COMMIT_MARGIN = timedelta(minutes=2)  # a revision has the time at which its transaction began, a batch that of its end


@dataclass(frozen=True, kw_only=True)
class _Checkpoint:
    before_batch: int
    ids: list[int]
    quality: bytes
    detection: bytes


@dataclass(frozen=True, kw_only=True)
class _Leaf:
    """A leaf of the log; of a batch with its signed bytes, which are empty if retention deleted them."""

    number: int
    node: str | None
    entry: str | None
    payload: bytes | None
    received_at: datetime | None
    late: bool | None


@dataclass(frozen=True, kw_only=True)
class _Window:
    id: int


@dataclass(frozen=True, kw_only=True)
class _Document:
    number: int
    entry: str
    document: str | None


async def build_detection(
    snapshot: Snapshot, registry: PublicRegistry, event: DetectedEvent, prover: Prover, policy: str
) -> DetectionFile | None:
    """Build the detection file of an event; None if it cannot be detected again from what is stored and published.

    It was in a repaired gap, or another detector ended it. Retention deleted the saved state or the bytes of a batch.
    The head of `prover` does not have all leaves, or there are more than `MAX_LEAVES`. Or operators announced
    maintenance of a node in that time: the flags of its readings are in no leaf.
    """
    area = registry.stations[event.document.station].area
    checkpoint = await _fetch_checkpoint(snapshot, event, area)
    if checkpoint is None or event.document.detected_late or _was_ended_by_handover(event):
        return None
    leaves = await _fetch_leaves(snapshot, event, area, checkpoint)
    documents = await _fetch_documents(snapshot, event, area)
    if not _is_complete(leaves) or documents is None or not _is_published(leaves, documents, prover):
        return None
    if await _has_maintenance(snapshot, area, leaves):
        return None
    detector, ranges, *events = documents
    first, last = leaves[0].number, leaves[-1].number
    datastreams = await _fetch_datastreams(snapshot, event, area)
    stored = set(checkpoint.ids)
    chosen = [item.id for item in datastreams if item.id in stored]
    saved = checkpoint.ids, checkpoint.quality, checkpoint.detection
    state = build_state(event.document.detector, area, saved, chosen)
    nodes = sorted({leaf.node for leaf in leaves if leaf.node is not None})
    keys = await snapshot.fetch(_Document, "select_node_key_leaves", {"area": area, "nodes": nodes, "last": last})
    hashes = prove_range(first, last + 1, prover.checkpoint.size, prover.read_hash)
    return DetectionFile(
        area=area,
        policy=policy,
        events=[_prove_document(prover, item) for item in events],
        detector=_prove_document(prover, detector),
        ranges=_prove_document(prover, ranges),
        node_keys=[LoggedLeaf(leaf=key.entry, proof=prover.prove(key.number)) for key in keys],
        registry=_describe_registry(registry, area, datastreams),
        state=await _prove_state(snapshot, state, first, prover),
        first_leaf=first,
        leaves=[_describe_leaf(leaf) for leaf in leaves],
        range_proof=[b64encode(item).decode() for item in hashes],
        checkpoint=prover.note.decode(),
    )


async def _has_maintenance(snapshot: Snapshot, area: str, leaves: Sequence[_Leaf]) -> bool:
    moments = [leaf.received_at for leaf in leaves if leaf.received_at is not None]
    values = {"area": area, "start": min(moments, default=None), "end": max(moments, default=None)}
    return bool(await snapshot.fetch(_Window, "select_maintenance_between", values))


async def _fetch_checkpoint(snapshot: Snapshot, event: DetectedEvent, area: str) -> _Checkpoint | None:
    """The newest state from before the event was stored."""
    values = {"event": event.document.id, "detector": event.document.detector, "area": area}
    rows = await snapshot.fetch(_Checkpoint, "select_checkpoint_before_event", values)
    return rows[0] if rows else None


async def _fetch_leaves(
    snapshot: Snapshot, event: DetectedEvent, area: str, checkpoint: _Checkpoint
) -> Sequence[_Leaf]:
    """All leaves from the first batch after the checkpoint to the last before the revision was stored."""
    values = {
        "area": area,
        "first": checkpoint.before_batch,
        "event": event.document.id,
        "until": event.changed_at + _COMMIT_MARGIN,
        "limit": MAX_LEAVES + 1,
    }
    return await snapshot.fetch(_Leaf, "select_detection_leaves", values)


async def _fetch_documents(snapshot: Snapshot, event: DetectedEvent, area: str) -> Sequence[_Document] | None:
    """Documents of the detector, of the ranges of properties, and of all revisions; None if one is missing."""
    values = {"area": area, "event": event.document.id, "revision": event.document.revision}
    events = await snapshot.fetch(_Document, "select_revision_leaves", values)
    rules = await snapshot.fetch(
        _Document, "select_leaf", {"area": area, "source": f"detector {event.document.detector}"}
    )
    values = {"area": area, "before": events[-1].number if events else 0}
    rules += await snapshot.fetch(_Document, "select_ranges_leaf", values)
    if len(rules) != 2 or len(events) != event.document.revision:
        return None
    return [*rules, *events]


def _was_ended_by_handover(event: DetectedEvent) -> bool:
    """Whether another detector ended the event as it took over; the detector of the event never did."""
    return _REPLACED in event.document.reasons


def _is_complete(leaves: Sequence[_Leaf]) -> bool:
    return 0 < len(leaves) <= MAX_LEAVES and all(leaf.entry or leaf.payload for leaf in leaves)


def _is_published(leaves: Sequence[_Leaf], documents: Sequence[_Document], prover: Prover) -> bool:
    return max(leaves[-1].number, *(item.number for item in documents)) < prover.checkpoint.size


async def _fetch_datastreams(snapshot: Snapshot, event: DetectedEvent, area: str) -> list[DetectedStream]:
    """Datastreams of the area that existed when the revision was stored."""
    return await snapshot.fetch(DetectedStream, "select_detected_streams", {"area": area, "until": event.changed_at})


def _describe_registry(registry: PublicRegistry, area: str, datastreams: Sequence[DetectedStream]) -> DetectedRegistry:
    used = {item.station for item in datastreams}
    return DetectedRegistry(
        stations=[
            PlacedStation(id=row.id, area=row.area, name=row.name, latitude=row.latitude, longitude=row.longitude)
            for row in registry.stations.values()
            if row.id in used
        ],
        sites=[
            PlacedSite(id=row.id, name=row.name, latitude=row.latitude, longitude=row.longitude)
            for row in registry.sites.values()
            if row.area == area
        ],
        properties=[
            NamedProperty(id=row.id, name_nl=row.name_nl, name_en=row.name_en) for row in registry.properties.values()
        ],
        datastreams=list(datastreams),
    )


async def _prove_state(snapshot: Snapshot, state: LoggedState, first: int, prover: Prover) -> StartState:
    """The state, with its leaf if the published log has one of it."""
    document, source = state.encode(), name_state(state.detector, first)
    leaves = await snapshot.fetch(_Document, "select_leaf", {"area": state.area, "source": source})
    for leaf in leaves:
        is_published = leaf.number < prover.checkpoint.size
        if is_published and Leaf.parse(leaf.entry.encode()).content == hash_content(document.encode()):
            return StartState(document=document, logged=LoggedLeaf(leaf=leaf.entry, proof=prover.prove(leaf.number)))
    return StartState(document=document)


def _describe_leaf(leaf: _Leaf) -> DetectionLeaf:
    if leaf.payload is None:
        return DetectionLeaf(entry=leaf.entry)
    return DetectionLeaf(signed=b64encode(leaf.payload).decode(), received_at=leaf.received_at, late=leaf.late is True)


def _prove_document(prover: Prover, item: _Document) -> LoggedDocument:
    return LoggedDocument(document=item.document or "", leaf=item.entry, proof=prover.prove(item.number))
