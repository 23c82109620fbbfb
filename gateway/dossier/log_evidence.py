"""The public log as source of evidence for dossiers: the same files as those of the API, and detection files.

One source serves one dossier. Every head and every tile of the log is read once for all files of the dossier.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from starlette.exceptions import HTTPException

from gateway.api.data.evidence import EvidenceBuilder, LoggedBatch, LogProvers, StoredLeaf, fetch_claim
from gateway.api.data.registry import PublicRegistry
from gateway.documents.snapshot import Snapshot
from gateway.dossier.contents import BatchExhibit, DetectedEvent
from gateway.dossier.detection_inputs import write_detections
from gateway.dossier.evidence import DetectionExhibit
from gateway.transparency.log_folder import LogFolder
from gateway.transparency.proofs import UnpublishedError
from gateway.transparency.settings import PublicLogSettings


@dataclass(frozen=True, kw_only=True)
class _KeyStatement:
    """A leaf about the key of a node, with the time from and until which it holds."""

    id: int
    area: str
    node: str
    since: datetime
    until: datetime | None
    number: int
    entry: str


class PublicLogEvidence:
    """An `EvidenceSource` of `[public_log]`."""

    def __init__(self, settings: PublicLogSettings) -> None:
        self._settings, self._logs = settings, LogProvers(settings)

    async def build_batch_evidence(self, snapshot: Snapshot, batches: Sequence[BatchExhibit]) -> Mapping[str, bytes]:
        """Return the evidence files of the batches, with two queries for all of them."""
        names = {(batch.node, batch.incarnation, batch.number): batch.name for batch in batches}
        keys = dict(zip(("nodes", "incarnations", "numbers"), map(list, zip(*names, strict=True)), strict=True))
        logged = await snapshot.fetch(LoggedBatch, "select_batches_by_key", keys) if names else []
        values = {"nodes": sorted({batch.node for batch in logged})}
        statements = await snapshot.fetch(_KeyStatement, "select_key_statements", values)
        files = {}
        for batch in logged:
            with suppress(HTTPException):  # the published log does not have it, or its bytes were deleted
                builder = EvidenceBuilder(snapshot, self._logs, batch)
                name = names[batch.node, batch.incarnation, batch.number]
                files[name] = builder.build_with_key(_choose_statement(statements, batch)).encode()
        return files

    async def build_value_evidence(
        self, snapshot: Snapshot, registry: PublicRegistry, station: str, observed_property: str, at: datetime
    ) -> bytes | None:
        """Return the evidence file of the value of that time."""
        try:
            claim = await fetch_claim(snapshot, registry, station, observed_property, at)
            return (await EvidenceBuilder(snapshot, self._logs, claim.batch).build(claim)).encode()
        except HTTPException:
            return None

    async def build_detections(
        self, snapshot: Snapshot, registry: PublicRegistry, events: Sequence[DetectedEvent], folder: Path
    ) -> Sequence[DetectionExhibit]:
        """Write the detection files of the events of a station to a folder."""
        if not events:
            return []
        area = registry.stations[events[0].document.station].area
        try:
            prover = self._logs.of_area(area).open()
        except UnpublishedError:
            return []
        policy = await self.read_policy(area) or ""
        return await write_detections(snapshot, registry, events, prover, policy, folder)

    async def read_policy(self, area: str) -> str | None:
        """Return the policy of the area's log."""
        return LogFolder.of(self._settings, area).read_policy()


def _choose_statement(statements: Sequence[_KeyStatement], batch: LoggedBatch) -> StoredLeaf:
    """The statement that the query `select_node_key_leaf` of the API chooses. HTTPException 404 without one."""
    own = [item for item in statements if (item.node, item.area) == (batch.node, batch.area)]
    if not own:
        raise HTTPException(404, f"the key of {batch.node} is not in the public log yet; ask again shortly")

    def rank(item: _KeyStatement) -> tuple[bool, bool, int]:
        is_before = batch.leaf is not None and item.number < batch.leaf
        covers = item.since <= batch.received_at and (item.until is None or item.until >= batch.received_at)
        return is_before, covers, item.id

    best = max(own, key=rank)
    return StoredLeaf(number=best.number, entry=best.entry, document=None)
