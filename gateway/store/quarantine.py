"""What could not be decoded, verified or placed: kept with its reason, for an operator to read and to try again."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.decoding.decode import Payload, Rejected, Verified
from gateway.decoding.rejection import Reason
from gateway.store.connection import QUERIES, Transaction


@dataclass(frozen=True, kw_only=True)
class Retry:
    """A quarantined payload that an operator wants tried again."""

    id: int
    reason: Reason
    payload: Payload


async def put(tx: Transaction, rejected: Sequence[Rejected]) -> None:
    """Keep payloads with their reasons."""
    if rejected:
        await tx.execute(
            QUERIES["quarantine"],
            {
                "received": [r.payload.received_at for r in rejected],
                "topics": [_text(r.payload.topic) for r in rejected],
                "reasons": [r.reason.value for r in rejected],
                "details": [_text(r.detail) for r in rejected],
                "payloads": [r.payload.body for r in rejected],
            },
        )


async def to_replay(tx: Transaction, limit: int, areas: Sequence[str] = ("*",)) -> list[Retry]:
    """What operators asked for of these areas, oldest first."""
    rows = await (await tx.execute(QUERIES["to_replay"], {"limit": limit, "areas": list(areas)})).fetchall()
    return [
        Retry(
            id=id_,
            reason=Reason(reason),
            payload=Payload(topic=topic, body=bytes(body), received_at=received_at, replayed=True),
        )
        for id_, received_at, topic, reason, body in rows
    ]


async def replayed(tx: Transaction, outcomes: dict[int, str]) -> None:
    """Note what became of each: `stored`, `duplicate`, or the reason why it was refused again."""
    await tx.execute(QUERIES["replayed"], {"ids": list(outcomes), "outcomes": list(outcomes.values())})


async def stored_as(tx: Transaction, batch: Verified) -> tuple[int, set[str]] | None:
    """The id under which a batch is stored, and the properties that are; None where it is not."""
    node, incarnation, seq = batch.key
    cursor = await tx.execute(QUERIES["batch_ids"], {"nodes": [node], "incarnations": [incarnation], "seqs": [seq]})
    row = await cursor.fetchone()
    return None if row is None else (int(row[1]), set(row[2]))


def _text(text: str) -> str:
    """PostgreSQL's text holds every character but NUL."""
    return text.replace("\x00", "\ufffd").encode(errors="replace").decode()
