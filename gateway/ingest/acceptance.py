"""Payloads of a transaction, compared with the ledger and placed in datastreams. Called by the pipeline."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.decoding.decode import RejectedPayload, find_unplaced
from gateway.decoding.decoded_payloads import DecodedPayloads
from gateway.ingest.batch_outcome import VersionedState
from gateway.ingest.copies import CopyDetector, CopySighting
from gateway.ingest.quarantine_budget import QuarantineBudget
from gateway.ingest.state import IngestState
from gateway.store import ledger
from gateway.store.connection import Transaction


@dataclass(frozen=True, kw_only=True)
class AcceptedPayloads:
    """Payloads of a transaction, sorted by their fate, and the state from which it starts.

    `quarantined`: the rejected payloads that are stored; there is no room for the others.
    """

    state: VersionedState
    decoded: DecodedPayloads
    batches: ledger.AcceptedBatches
    rejected: Sequence[RejectedPayload]
    quarantined: Sequence[RejectedPayload]
    copies: Sequence[CopySighting]


class PayloadAcceptor:
    """Decides what is new. Its memory of copies and of room in quarantine is that of one gateway."""

    def __init__(self, state: IngestState) -> None:
        self._state = state
        self._copy_detector, self._quarantine_budget = CopyDetector(), QuarantineBudget()

    async def accept(self, tx: Transaction, decoded: DecodedPayloads) -> AcceptedPayloads:
        """Compare with the ledger, assign ids, create missing datastreams.

        One query returns registry version, ledger and ids: each further answer would cost 3 to 5 ms per micro-batch, as
        the event loop has to regain the interpreter lock (docs/adr/0008). The ledger is queried again only if the
        payloads were decoded with another registry, as the headers may then differ.
        """
        batches = await ledger.accept_batches(tx, decoded.headers, decoded.rejected)
        state = await self._state.refresh(tx, batches.registry_version)
        if not decoded.is_decoded_with(state.registry):
            decoded = decoded.with_registry(state.registry)
            batches = await ledger.accept_batches(tx, decoded.headers, decoded.rejected)
        unplaced = find_unplaced(batches.new)
        state = await self._state.create_datastreams(tx, state, unplaced)
        rejected = [*decoded.rejected, *batches.tampered, *unplaced.rejections]
        copies = self._copy_detector.find_copies(batches.new, batches.tampered)
        return AcceptedPayloads(
            state=state,
            decoded=decoded,
            batches=batches,
            rejected=rejected,
            quarantined=self._quarantine_budget.select(rejected, time.monotonic()),
            copies=copies,
        )
