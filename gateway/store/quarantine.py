"""Quarantine: payloads that could not be decoded, verified or placed, with the reason. Operators can retry them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from gateway.decoding.decode import Payload, RejectedPayload, VerifiedBatch
from gateway.decoding.rejection import RejectionReason
from gateway.store.connection import QUERIES, Transaction, fetch_all, fetch_one


@dataclass(frozen=True, kw_only=True)
class ReplayRequest:
    """A quarantined payload that an operator wants retried."""

    id: int
    reason: RejectionReason
    payload: Payload


class StoredBatchProperties(NamedTuple):
    """The id of a stored batch, and the properties with stored observations of it."""

    id: int
    properties: list[str]


@dataclass(frozen=True, kw_only=True)
class _ReplayRow:
    id: int
    received_at: datetime
    topic: str
    reason: str
    payload: bytes


async def insert_payloads(tx: Transaction, rejected: Sequence[RejectedPayload]) -> None:
    """Store rejected payloads with their reasons."""
    if rejected:
        await tx.execute(
            QUERIES["insert_quarantine"],
            {
                "received": [r.payload.received_at for r in rejected],
                "topics": [_replace_nul(r.payload.topic) for r in rejected],
                "reasons": [r.reason.value for r in rejected],
                "details": [_replace_nul(r.detail) for r in rejected],
                "payloads": [r.stored_body for r in rejected],
            },
        )


async def load_replay_requests(tx: Transaction, limit: int, areas: Sequence[str] = ("*",)) -> list[ReplayRequest]:
    """Load the payloads of these areas that operators want retried, oldest first."""
    values = {"limit": limit, "areas": list(areas)}
    rows = await fetch_all(tx, _ReplayRow, QUERIES["select_replay_requests"], values)
    return [
        ReplayRequest(
            id=row.id,
            reason=RejectionReason(row.reason),
            payload=Payload(topic=row.topic, body=bytes(row.payload), received_at=row.received_at, replayed=True),
        )
        for row in rows
    ]


async def record_replay_outcomes(tx: Transaction, outcomes: dict[int, str]) -> None:
    """Store the outcome of each retry by id: `stored`, `duplicate`, or the reason of the new rejection."""
    await tx.execute(QUERIES["update_replay_outcomes"], {"ids": list(outcomes), "outcomes": list(outcomes.values())})


async def find_stored_batch(tx: Transaction, batch: VerifiedBatch) -> StoredBatchProperties | None:
    """Return the stored batch with this batch's key, or None."""
    node, incarnation, seq = batch.key
    values = {"node": node, "incarnation": incarnation, "seq": seq}
    return await fetch_one(tx, StoredBatchProperties, QUERIES["select_stored_batch"], values)


def _replace_nul(text: str) -> str:
    """Replace NUL, the only character that PostgreSQL's text cannot hold."""
    return text.replace("\x00", "\ufffd").encode(errors="replace").decode()
