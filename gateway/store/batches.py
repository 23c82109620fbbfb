"""Stored batches: the signed bytes as they arrived, read again by replay, late data, self-test and shadow."""

from dataclasses import dataclass
from datetime import datetime

from edge_agent.wire import Topic, TopicKind
from gateway.decoding.decode import Payload
from gateway.model.registry import Registry
from gateway.store.connection import QUERIES, Transaction, fetch_all


@dataclass(frozen=True, kw_only=True)
class StoredBatch:
    """One row of `batch`. `payload` is empty if retention deleted the signed bytes.

    `shift_ms` is what was added to its stamps; None: it was not dated again, or the reader wants it as it arrived.
    """

    id: int
    node: str
    payload: bytes | None
    received_at: datetime
    late: bool
    committed_at: datetime
    shift_ms: int | None = None

    def to_payload(self, registry: Registry) -> Payload:
        """Return the batch, with what dated it. Without its node in the registry nothing of it can be decoded."""
        node = registry.nodes.get(self.node)
        topic = Topic(area=node.area if node else "-", node=self.node, kind=TopicKind.READINGS)
        return Payload(
            topic=str(topic),
            body=bytes(self.payload or b""),
            received_at=self.received_at,
            replayed=self.late,
            shift_ms=self.shift_ms,
        )


async def load_batches_between(
    tx: Transaction, area: str, first: int, until: datetime, limit: int
) -> list[StoredBatch]:
    """Load at most `limit` batches of an area as they arrived, by id: from `first` on, committed by `until`."""
    values = {"area": area, "first": first, "until": until, "limit": limit}
    return await fetch_all(tx, StoredBatch, QUERIES["select_batches_between"], values)


async def load_batches_in_span(tx: Transaction, area: str, since: datetime, until: datetime) -> list[StoredBatch]:
    """Load every batch of an area with a reading after `since` and not after `until`."""
    values = {"area": area, "since": since, "until": until}
    return await fetch_all(tx, StoredBatch, QUERIES["select_batches_in_span"], values)
