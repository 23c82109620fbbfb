"""Detection files: what the detector had, from the state before an event to its newest revision.

Events that follow the same saved state share a file. The leaves of the public log name the batches and their order, so
a verifier sees that none is left out. Nothing is computed here: the state is the stored checkpoint of the area, the
batches are as they arrived.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.api.data.registry import PublicRegistry
from gateway.documents.snapshot import Snapshot
from gateway.dossier.contents import DetectedEvent
from gateway.transparency.leaf import Leaf, hash_content
from gateway.transparency.logged_state import LoggedState
from gateway.transparency.proofs import Prover
from gateway.transparency.range_proof import prove_range
from gateway.transparency.state_leaves import build_state, name_state
from gateway.verification.detection_file import (
    MAX_DETECTION_BYTES,
    MAX_LEAVES,
    DetectedRegistry,
    DetectedStream,
    DetectionFile,
    DetectionLeaf,
    NamedProperty,
    PlacedSite,
    PlacedStation,
    RepeatedEvent,
    StartState,
)
from gateway.verification.evidence_file import LoggedDocument, LoggedLeaf

_REPLACED = "detector_replaced"  # gateway.detection.confidence, which loads numba, has this reason
_LEAF_BYTES = 80  # of a leaf in the file, beside its text
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
    committed_at: datetime | None
    late: bool | None


@dataclass(frozen=True, kw_only=True)
class _Window:
    id: int


@dataclass(frozen=True, kw_only=True)
class _Document:
    number: int
    entry: str
    document: str | None


@dataclass(frozen=True, kw_only=True)
class _Start:
    """Common start of the events of one file: the state, the area, and the leaves of the detector and of the ranges."""

    area: str
    checkpoint: _Checkpoint
    detector: _Document
    ranges: _Document

    @property
    def key(self) -> tuple[int, int, int]:
        """Equal for events that share a file."""
        return self.checkpoint.before_batch, self.detector.number, self.ranges.number


@dataclass(frozen=True, kw_only=True)
class _Repetition:
    """An event to detect again, with the leaves of its revisions."""

    event: DetectedEvent
    revisions: Sequence[_Document]

    @property
    def until(self) -> datetime:
        """When everything that its newest revision needs was stored."""
        return self.event.changed_at + _COMMIT_MARGIN


async def build_detections(
    snapshot: Snapshot, registry: PublicRegistry, events: Sequence[DetectedEvent], prover: Prover, policy: str
) -> list[DetectionFile]:
    """Build the detection files of events of one area. An event is in none if it cannot be detected again.

    It was in a repaired gap, or another detector ended it. Retention deleted the saved state or the bytes of a batch.
    The head of `prover` does not have all leaves, or `MAX_LEAVES` do not reach to its newest revision. Or operators
    announced maintenance of a node in that time: the flags of its readings are in no leaf.
    """
    groups = dict[tuple[int, int, int], tuple[_Start, list[_Repetition]]]()
    for event in events:
        area = registry.stations[event.document.station].area
        start, repetition = await _find_start(snapshot, event, area)
        if start is not None and repetition is not None:
            groups.setdefault(start.key, (start, []))[1].append(repetition)
    files = [await _build_file(snapshot, registry, *group, prover, policy) for _, group in sorted(groups.items())]
    return [file for file in files if file is not None]


async def _find_start(snapshot: Snapshot, event: DetectedEvent, area: str) -> tuple[_Start | None, _Repetition | None]:
    """Start of the detection of an event, and its revisions; None if it cannot be detected again."""
    checkpoint = await _fetch_checkpoint(snapshot, event, area)
    if checkpoint is None or event.document.detected_late or _was_ended_by_handover(event):
        return None, None
    documents = await _fetch_documents(snapshot, event, area)
    if documents is None:
        return None, None
    detector, ranges, *revisions = documents
    start = _Start(area=area, checkpoint=checkpoint, detector=detector, ranges=ranges)
    return start, _Repetition(event=event, revisions=revisions)


async def _build_file(  # noqa: PLR0917 - inputs of one file
    snapshot: Snapshot,
    registry: PublicRegistry,
    start: _Start,
    repetitions: Sequence[_Repetition],
    prover: Prover,
    policy: str,
) -> DetectionFile | None:
    """The file of events with one start; without those that its leaves do not reach. None without an event."""
    area = start.area
    stored_leaves = await _fetch_leaves(snapshot, repetitions, start)
    leaves = _select_leaves(stored_leaves, prover.checkpoint.size)
    is_cut = len(leaves) < len(stored_leaves) or len(leaves) == MAX_LEAVES
    events = [
        RepeatedEvent(revisions=[_prove_document(prover, item) for item in event.revisions], last_leaf=last_leaf)
        for event in repetitions
        if (last_leaf := _find_last_leaf(event, leaves, is_cut=is_cut)) is not None and _is_published(event, prover)
    ]
    if not events:
        return None
    last = max(event.last_leaf for event in events)
    leaves = [leaf for leaf in leaves if leaf.number <= last]
    if await _has_maintenance(snapshot, area, leaves):
        return None
    first = leaves[0].number
    until = max(item.event.changed_at for item in repetitions)
    datastreams = await _fetch_datastreams(snapshot, area, until)
    nodes = sorted({leaf.node for leaf in leaves if leaf.node is not None})
    keys = await snapshot.fetch(_Document, "select_node_key_leaves", {"area": area, "nodes": nodes, "last": last})
    hashes = prove_range(first, last + 1, prover.checkpoint.size, prover.read_hash)
    detector = repetitions[0].event.document.detector
    return DetectionFile(
        area=area,
        policy=policy,
        events=events,
        detector=_prove_document(prover, start.detector),
        ranges=_prove_document(prover, start.ranges),
        node_keys=[LoggedLeaf(leaf=key.entry, proof=prover.prove(key.number)) for key in keys],
        registry=_describe_registry(registry, area, datastreams),
        state=await _prove_state(snapshot, _build_state(start, detector, datastreams), first, prover),
        first_leaf=first,
        leaves=[_describe_leaf(leaf) for leaf in leaves],
        range_proof=[b64encode(item).decode() for item in hashes],
        checkpoint=prover.note.decode(),
    )


async def _has_maintenance(snapshot: Snapshot, area: str, leaves: Sequence[_Leaf]) -> bool:
    moments = [leaf.received_at for leaf in leaves if leaf.received_at is not None]
    values = {"area": area, "start": min(moments, default=None), "end": max(moments, default=None)}
    return bool(await snapshot.fetch(_Window, "select_maintenance_between", values))


def _build_state(start: _Start, detector: str, datastreams: Sequence[DetectedStream]) -> LoggedState:
    checkpoint = start.checkpoint
    stored = set(checkpoint.ids)
    chosen = [item.id for item in datastreams if item.id in stored]
    return build_state(detector, start.area, (checkpoint.ids, checkpoint.quality, checkpoint.detection), chosen)


async def _fetch_checkpoint(snapshot: Snapshot, event: DetectedEvent, area: str) -> _Checkpoint | None:
    """The newest state from before the onset; the newest from before the event was stored if there is none."""
    document = event.document
    values = {"event": document.id, "detector": document.detector, "area": area, "onset": event.onset}
    rows = await snapshot.fetch(_Checkpoint, "select_checkpoint_before_event", values)
    return rows[0] if rows else None


async def _fetch_leaves(snapshot: Snapshot, repetitions: Sequence[_Repetition], start: _Start) -> Sequence[_Leaf]:
    """All leaves from the first batch after the checkpoint to the last before the newest revision was stored."""
    values = {
        "area": start.area,
        "first": start.checkpoint.before_batch,
        "events": [item.event.document.id for item in repetitions],
        "until": max(item.until for item in repetitions),
        "limit": MAX_LEAVES,
    }
    return await snapshot.fetch(_Leaf, "select_detection_leaves", values)


def _select_leaves(leaves: Sequence[_Leaf], size: int) -> list[_Leaf]:
    """The leaves up to the first that is not published, or whose bytes were deleted, or that would be too much."""
    room = MAX_DETECTION_BYTES * 9 // 10  # the rest of the file needs the others
    selected: list[_Leaf] = []
    for leaf in leaves:
        room -= _LEAF_BYTES + len(leaf.entry or "") + len(leaf.payload or b"") * 4 // 3
        if leaf.number >= size or not (leaf.entry or leaf.payload) or room < 0:
            break
        selected.append(leaf)
    return selected


def _find_last_leaf(repetition: _Repetition, leaves: Sequence[_Leaf], *, is_cut: bool) -> int | None:
    """Index of the last batch up to the newest revision; None if the leaves are cut before it, or there are none."""
    stored = [(leaf.committed_at, leaf.number) for leaf in leaves if leaf.committed_at is not None]
    if is_cut and not any(at >= repetition.event.changed_at for at, _ in stored):
        return None
    return max((number for at, number in stored if at <= repetition.until), default=None)


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


def _is_published(repetition: _Repetition, prover: Prover) -> bool:
    return max(item.number for item in repetition.revisions) < prover.checkpoint.size


async def _fetch_datastreams(snapshot: Snapshot, area: str, until: datetime) -> list[DetectedStream]:
    """Datastreams of the area that existed when the newest revision was stored."""
    return await snapshot.fetch(DetectedStream, "select_detected_streams", {"area": area, "until": until})


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
