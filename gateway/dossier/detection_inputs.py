"""Detection files: what the detector had, from the state before an event to its newest revision.

Events that follow the same saved state share a file. The leaves of the public log name the batches and their order, so
a verifier sees that none is left out. Nothing is computed here: the state is the stored checkpoint of the area, the
batches are as they arrived. A file is written while its leaves are read; some hundred of them are in memory.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gateway.api.data.registry import PublicRegistry
from gateway.documents.snapshot import Snapshot
from gateway.dossier.contents import DetectedEvent
from gateway.dossier.detection_start import DetectionStart, RepeatableEvent, StoredDocument, find_start
from gateway.dossier.evidence import DetectionExhibit
from gateway.dossier.stored_file import FileWriter
from gateway.transparency.leaf import Leaf, hash_content
from gateway.transparency.logged_state import LoggedState
from gateway.transparency.proofs import Prover
from gateway.transparency.range_proof import prove_range
from gateway.transparency.state_leaves import build_state, name_state
from gateway.verification.detection_file import (
    FILE_ENDING,
    MAX_DETECTION_BYTES,
    MAX_LEAVES,
    DetectedRegistry,
    DetectedStream,
    DetectionHeader,
    DetectionLeaf,
    NamedProperty,
    PlacedSite,
    PlacedStation,
    RepeatedEvent,
    StartState,
    encode_line,
)
from gateway.verification.dossier_files import MAX_ZIP_BYTES
from gateway.verification.evidence_file import LoggedDocument, LoggedLeaf

_MAX_FILES_BYTES = MAX_ZIP_BYTES * 8 // 10  # of all files of a dossier: readings and evidence need the others
_LEAF_BYTES = 80  # of a leaf in the file, beside its text


@dataclass(frozen=True, kw_only=True)
class _Leaf:
    """A leaf of the log; of a batch with its signed bytes."""

    entry: str | None
    payload: bytes | None
    received_at: datetime | None
    late: bool | None


@dataclass(frozen=True, kw_only=True)
class _Span:
    """Leaves from `first` to `last`; `cut`: the first that cannot be in a file."""

    first: int
    last: int
    cut: int | None

    @property
    def end(self) -> int:
        """Index after the last leaf that can be in a file."""
        return self.last + 1 if self.cut is None else self.cut


@dataclass(frozen=True, kw_only=True)
class _EventEnd:
    last_leaf: int | None
    is_reached: bool | None


@dataclass(frozen=True, kw_only=True)
class _Batches:
    nodes: list[str]
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, kw_only=True)
class _Window:
    id: int


async def write_detections(  # noqa: PLR0917 - the sources of a file
    snapshot: Snapshot,
    registry: PublicRegistry,
    events: Sequence[DetectedEvent],
    prover: Prover,
    policy: str,
    folder: Path,
) -> list[DetectionExhibit]:
    """Write the detection files of events of one area. An event is in none if it cannot be detected again.

    It was in a repaired gap, or another detector ended it. Retention deleted the saved state or the bytes of a batch.
    The head of `prover` does not have all leaves, or a file of the largest length does not reach to its newest
    revision. Or operators announced maintenance of a node in that time: the flags of its readings are in no leaf.

    Raises DossierError if a file cannot be written.
    """
    groups = dict[tuple[int, int, int], tuple[DetectionStart, list[RepeatableEvent]]]()
    for event in events:
        area = registry.stations[event.document.station].area
        start, repetition = await find_start(snapshot, event, area)
        if start is not None and repetition is not None:
            groups.setdefault(start.key, (start, []))[1].append(repetition)
    exhibits, room = list[DetectionExhibit](), _MAX_FILES_BYTES
    for _, group in sorted(groups.items()):
        exhibit = await _write_file(snapshot, registry, *group, prover, policy, folder, room)
        if exhibit is not None:
            exhibits.append(exhibit)
            room -= exhibit.file.size
    return exhibits


async def _write_file(  # noqa: PLR0917 - inputs of one file
    snapshot: Snapshot,
    registry: PublicRegistry,
    start: DetectionStart,
    repetitions: Sequence[RepeatableEvent],
    prover: Prover,
    policy: str,
    folder: Path,
    room: int,
) -> DetectionExhibit | None:
    """Write the file of events with one start; without those that its leaves do not reach. None without an event."""
    area = start.area
    span = await _fetch_span(snapshot, repetitions, start, prover.checkpoint.size, room)
    if span is None or span.end <= span.first:
        return None
    ends = await _fetch_event_ends(snapshot, repetitions, start, span)
    reached = [
        (item, last_leaf)
        for item, last_leaf in zip(repetitions, ends, strict=True)
        if last_leaf is not None and _is_published(item, prover)
    ]
    if not reached:
        return None
    first, last = span.first, max(last_leaf for _, last_leaf in reached)
    place = {"area": area, "first": first, "last": last}
    batches = await snapshot.fetch(_Batches, "select_batches_of_leaves", place)
    if not batches or await _has_maintenance(snapshot, area, batches[0]):
        return None
    until = max(item.event.changed_at for item in repetitions)
    datastreams = await _fetch_datastreams(snapshot, area, until)
    values = {"area": area, "nodes": sorted(batches[0].nodes), "last": last}
    keys = await snapshot.fetch(StoredDocument, "select_node_key_leaves", values)
    hashes = prove_range(first, last + 1, prover.checkpoint.size, prover.read_hash)
    header = DetectionHeader(
        area=area,
        policy=policy,
        events=[
            RepeatedEvent(revisions=[_prove_document(prover, leaf) for leaf in item.revisions], last_leaf=last_leaf)
            for item, last_leaf in reached
        ],
        detector=_prove_document(prover, start.detector),
        ranges=_prove_document(prover, start.ranges),
        node_keys=[LoggedLeaf(leaf=key.entry, proof=prover.prove(key.number)) for key in keys],
        registry=_describe_registry(registry, area, datastreams),
        state=await _prove_state(
            snapshot, _build_state(start, repetitions[0].event.document.detector, datastreams), first, prover
        ),
        first_leaf=first,
        leaf_count=last - first + 1,
        range_proof=[b64encode(item).decode() for item in hashes],
        checkpoint=prover.note.decode(),
    )
    ids = [item.event.document.id for item, _ in reached]
    writer = FileWriter(folder / f"{ids[0]}{FILE_ENDING}")
    writer.write([encode_line(header)])
    async for leaf in snapshot.iterate(_Leaf, "select_detection_leaves", place):
        writer.write([encode_line(_describe_leaf(leaf))])
    return DetectionExhibit(events=ids, file=writer.close())


async def _has_maintenance(snapshot: Snapshot, area: str, batches: _Batches) -> bool:
    values = {"area": area, "start": batches.first_at, "end": batches.last_at}
    return bool(await snapshot.fetch(_Window, "select_maintenance_between", values))


def _build_state(start: DetectionStart, detector: str, datastreams: Sequence[DetectedStream]) -> LoggedState:
    checkpoint = start.checkpoint
    stored = set(checkpoint.ids)
    chosen = [item.id for item in datastreams if item.id in stored]
    return build_state(detector, start.area, (checkpoint.ids, checkpoint.quality, checkpoint.detection), chosen)


async def _fetch_span(
    snapshot: Snapshot, repetitions: Sequence[RepeatableEvent], start: DetectionStart, size: int, room: int
) -> _Span | None:
    """All leaves from the first batch after the checkpoint to the last before the newest revision was stored."""
    values = {
        "area": start.area,
        "first": start.checkpoint.before_batch,
        "events": [item.event.document.id for item in repetitions],
        "until": max(item.until for item in repetitions),
        "size": size,
        "max_leaves": MAX_LEAVES,
        "leaf_bytes": _LEAF_BYTES,
        "room": min(room, MAX_DETECTION_BYTES * 9 // 10),  # the header needs the others
    }
    return next(iter(await snapshot.fetch(_Span, "select_detection_span", values)), None)


async def _fetch_event_ends(
    snapshot: Snapshot, repetitions: Sequence[RepeatableEvent], start: DetectionStart, span: _Span
) -> list[int | None]:
    """Index of the last batch up to the newest revision of each event; None if the leaves are cut before it."""
    values = {
        "area": start.area,
        "first": span.first,
        "end": span.end,
        "untils": [item.until for item in repetitions],
        "changes": [item.event.changed_at for item in repetitions],
    }
    ends = await snapshot.fetch(_EventEnd, "select_event_ends", values)
    return [end.last_leaf if span.cut is None or end.is_reached else None for end in ends]


def _is_published(repetition: RepeatableEvent, prover: Prover) -> bool:
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
    leaves = await snapshot.fetch(StoredDocument, "select_leaf", {"area": state.area, "source": source})
    for leaf in leaves:
        is_published = leaf.number < prover.checkpoint.size
        if is_published and Leaf.parse(leaf.entry.encode()).content == hash_content(document.encode()):
            return StartState(document=document, logged=LoggedLeaf(leaf=leaf.entry, proof=prover.prove(leaf.number)))
    return StartState(document=document)


def _describe_leaf(leaf: _Leaf) -> DetectionLeaf:
    if leaf.payload is None:
        return DetectionLeaf(entry=leaf.entry)
    return DetectionLeaf(signed=b64encode(leaf.payload).decode(), received_at=leaf.received_at, late=leaf.late is True)


def _prove_document(prover: Prover, item: StoredDocument) -> LoggedDocument:
    return LoggedDocument(document=item.document or "", leaf=item.entry, proof=prover.prove(item.number))
