"""Evidence files in a dossier: the public log of the area proves the signed batches and the highest value."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from gateway.api.data.registry import PublicRegistry
from gateway.documents.snapshot import Snapshot
from gateway.dossier.contents import BatchExhibit, DetectedEvent
from gateway.dossier.stored_file import StoredFile


class DetectionExhibit(Struct, frozen=True, kw_only=True):
    """A detection file, and the ids of its events."""

    events: Sequence[str]
    file: StoredFile


class EvidenceSource(Protocol):
    """The public log of an area. Each method reads in the dossier's transaction.

    None: the log does not hold it (yet), or its signed bytes were deleted.
    """

    async def build_batch_evidence(self, snapshot: Snapshot, batches: Sequence[BatchExhibit]) -> Mapping[str, bytes]:
        """Return the evidence files of the signed batches that the log has: name of the batch -> bytes."""

    async def build_value_evidence(
        self, snapshot: Snapshot, registry: PublicRegistry, station: str, observed_property: str, at: datetime
    ) -> bytes | None:
        """Return the evidence file of the value of that time."""

    async def build_detections(
        self, snapshot: Snapshot, registry: PublicRegistry, events: Sequence[DetectedEvent], folder: Path
    ) -> Sequence[DetectionExhibit]:
        """Write the detection files of events to a folder; without events that cannot be detected again."""

    async def read_policy(self, area: str) -> str | None:
        """Return the tlog-policy of the area's log, as text; None if the area has no log."""
