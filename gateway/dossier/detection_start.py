"""Start of the detection of an event: the saved state before it, and the leaves of its rules and revisions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.documents.snapshot import Snapshot
from gateway.dossier.contents import DetectedEvent

_REPLACED = "detector_replaced"  # gateway.detection.confidence, which loads numba, has this reason
_COMMIT_MARGIN = timedelta(minutes=2)  # a revision has the time at which its transaction began, a batch that of its end


@dataclass(frozen=True, kw_only=True)
class SavedState:
    """A saved state: its datastreams, the states, and the first batch that it has not seen."""

    before_batch: int
    ids: list[int]
    quality: bytes
    detection: bytes


@dataclass(frozen=True, kw_only=True)
class StoredDocument:
    """A leaf of the log that is of no batch, with its document."""

    number: int
    entry: str
    document: str | None


@dataclass(frozen=True, kw_only=True)
class DetectionStart:
    """Common start of the events of one file: the state, the area, and the leaves of the detector and of the ranges."""

    area: str
    checkpoint: SavedState
    detector: StoredDocument
    ranges: StoredDocument

    @property
    def key(self) -> tuple[int, int, int]:
        """Equal for events that share a file."""
        return self.checkpoint.before_batch, self.detector.number, self.ranges.number


@dataclass(frozen=True, kw_only=True)
class RepeatableEvent:
    """An event to detect again, with the leaves of its revisions."""

    event: DetectedEvent
    revisions: Sequence[StoredDocument]

    @property
    def until(self) -> datetime:
        """When everything that its newest revision needs was stored."""
        return self.event.changed_at + _COMMIT_MARGIN


async def find_start(
    snapshot: Snapshot, event: DetectedEvent, area: str
) -> tuple[DetectionStart | None, RepeatableEvent | None]:
    """Start of the detection of an event, and its revisions; None if it cannot be detected again."""
    checkpoint = await _fetch_checkpoint(snapshot, event, area)
    if checkpoint is None or event.document.detected_late or _was_ended_by_handover(event):
        return None, None
    documents = await _fetch_documents(snapshot, event, area)
    if documents is None:
        return None, None
    detector, ranges, *revisions = documents
    start = DetectionStart(area=area, checkpoint=checkpoint, detector=detector, ranges=ranges)
    return start, RepeatableEvent(event=event, revisions=revisions)


async def _fetch_checkpoint(snapshot: Snapshot, event: DetectedEvent, area: str) -> SavedState | None:
    """The newest state from before the onset; the newest from before the event was stored if there is none."""
    document = event.document
    values = {"event": document.id, "detector": document.detector, "area": area, "onset": event.onset}
    rows = await snapshot.fetch(SavedState, "select_checkpoint_before_event", values)
    return rows[0] if rows else None


async def _fetch_documents(snapshot: Snapshot, event: DetectedEvent, area: str) -> Sequence[StoredDocument] | None:
    """Documents of the detector, of the ranges of properties, and of all revisions; None if one is missing."""
    values = {"area": area, "event": event.document.id, "revision": event.document.revision}
    events = await snapshot.fetch(StoredDocument, "select_revision_leaves", values)
    rules = await snapshot.fetch(
        StoredDocument, "select_leaf", {"area": area, "source": f"detector {event.document.detector}"}
    )
    values = {"area": area, "before": events[-1].number if events else 0}
    rules += await snapshot.fetch(StoredDocument, "select_ranges_leaf", values)
    if len(rules) != 2 or len(events) != event.document.revision:
        return None
    return [*rules, *events]


def _was_ended_by_handover(event: DetectedEvent) -> bool:
    """Whether another detector ended the event as it took over; the detector of the event never did."""
    return _REPLACED in event.document.reasons
