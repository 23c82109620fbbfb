"""The public log as source of evidence for dossiers: the same files as those of the API, and detection files.

One source serves one dossier. Every head and every tile of the log is read once for all files of the dossier.
"""

from datetime import datetime

from starlette.exceptions import HTTPException

from gateway.api.data.evidence import Claim, EvidenceBuilder, LoggedBatch, LogProvers, fetch_batch, fetch_claim
from gateway.api.data.registry import PublicRegistry
from gateway.dossier.contents import BatchExhibit, DetectedEvent
from gateway.dossier.detection_inputs import build_detection
from gateway.dossier.snapshot import Snapshot
from gateway.transparency.log_folder import LogFolder
from gateway.transparency.proofs import UnpublishedError
from gateway.transparency.settings import PublicLogSettings


class PublicLogEvidence:
    """An `EvidenceSource` of `[public_log]`."""

    def __init__(self, settings: PublicLogSettings) -> None:
        self._settings, self._logs = settings, LogProvers(settings)

    async def build_batch_evidence(self, snapshot: Snapshot, batch: BatchExhibit) -> bytes | None:
        """Return the evidence file of one signed batch."""
        try:
            logged = await fetch_batch(snapshot, batch.node, batch.incarnation, batch.number)
            return await self._build(snapshot, logged, None)
        except HTTPException:
            return None

    async def build_value_evidence(
        self, snapshot: Snapshot, registry: PublicRegistry, station: str, observed_property: str, at: datetime
    ) -> bytes | None:
        """Return the evidence file of the value of that time."""
        try:
            claim = await fetch_claim(snapshot, registry, station, observed_property, at)
            return await self._build(snapshot, claim.batch, claim)
        except HTTPException:
            return None

    async def _build(self, snapshot: Snapshot, batch: LoggedBatch, claim: Claim | None) -> bytes:
        builder = EvidenceBuilder(snapshot, self._logs, batch)
        return (await builder.build(claim)).encode()

    async def build_detection(self, snapshot: Snapshot, registry: PublicRegistry, event: DetectedEvent) -> bytes | None:
        """Return the detection file of an event."""
        area = registry.stations[event.document.station].area
        try:
            prover = self._logs.of_area(area).open()
        except UnpublishedError:
            return None
        file = await build_detection(snapshot, registry, event, prover, await self.read_policy(area) or "")
        return None if file is None else file.encode()

    async def read_policy(self, area: str) -> str | None:
        """Return the policy of the area's log."""
        return LogFolder.of(self._settings, area).read_policy()
