"""What could not be decoded, verified or placed: kept with its reason, for an operator to read."""

from collections.abc import Sequence

from gateway.decode import Rejected
from gateway.store.connection import QUERIES, Transaction


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


def _text(text: str) -> str:
    """PostgreSQL's text holds every character but NUL."""
    return text.replace("\x00", "\ufffd").encode(errors="replace").decode()
