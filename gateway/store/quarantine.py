"""What could not be decoded, verified or placed: kept with its reason, for an operator to read and to try again."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.decoding.decode import Payload, RejectedPayload, VerifiedBatch
from gateway.decoding.rejection import RejectionReason
from gateway.store.connection import QUERIES, Transaction


@dataclass(frozen=True, kw_only=True)
class ReplayRequest:
    """A quarantined payload that an operator wants tried again."""

    id: int
    reason: RejectionReason
    payload: Payload


async def insert_payloads(tx: Transaction, rejected: Sequence[RejectedPayload]) -> None:
    """Keep payloads with their reasons."""
    if rejected:
        await tx.execute(
            QUERIES["insert_quarantine"],
            {
                "received": [r.payload.received_at for r in rejected],
                "topics": [_replace_nul(r.payload.topic) for r in rejected],
                "reasons": [r.reason.value for r in rejected],
                "details": [_replace_nul(r.detail) for r in rejected],
                "payloads": [r.payload.body for r in rejected],
            },
        )


async def load_replay_requests(tx: Transaction, limit: int, areas: Sequence[str] = ("*",)) -> list[ReplayRequest]:
    """What operators asked for of these areas, oldest first."""
    rows = await (
        await tx.execute(QUERIES["select_replay_requests"], {"limit": limit, "areas": list(areas)})
    ).fetchall()
    return [
        ReplayRequest(
            id=id_,
            reason=RejectionReason(reason),
            payload=Payload(topic=topic, body=bytes(body), received_at=received_at, replayed=True),
        )
        for id_, received_at, topic, reason, body in rows
    ]


async def record_replay_outcomes(tx: Transaction, outcomes: dict[int, str]) -> None:
    """Note what became of each: `stored`, `duplicate`, or the reason why it was refused again."""
    await tx.execute(QUERIES["update_replay_outcomes"], {"ids": list(outcomes), "outcomes": list(outcomes.values())})


async def find_stored_batch(tx: Transaction, batch: VerifiedBatch) -> tuple[int, set[str]] | None:
    """The id under which a batch is stored, and the properties that are; None where it is not."""
    node, incarnation, seq = batch.key
    cursor = await tx.execute(
        QUERIES["select_stored_batches"], {"nodes": [node], "incarnations": [incarnation], "seqs": [seq]}
    )
    row = await cursor.fetchone()
    return None if row is None else (int(row[1]), set(row[2]))


def _replace_nul(text: str) -> str:
    """PostgreSQL's text holds every character but NUL."""
    return text.replace("\x00", "\ufffd").encode(errors="replace").decode()
