"""Facts of one committed transaction, for the log and for Prometheus."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.decoding.decode import RejectedPayload
from gateway.ingest.batch_outcome import BatchOutcome
from gateway.ingest.copies import CopySighting
from gateway.model.registry import Registry
from gateway.store.ledger import AcceptedBatches


@dataclass(frozen=True, kw_only=True)
class TransactionReport:
    """Stored and rejected payloads with their outcome; `seconds` from the start of the transaction to its COMMIT.

    `omitted`: how many rejected payloads quarantine had no room for.
    """

    registry: Registry
    accepted: AcceptedBatches
    rejected: Sequence[RejectedPayload]
    omitted: int
    copies: Sequence[CopySighting]
    outcome: BatchOutcome
    seconds: float
