"""Waiting notices in the database: lease some, and record what came of them. psycopg.Error passes through.

A notice is leased and committed before it is sent, so that at most what was sent and not recorded is repeated after a
crash: under the same push id. A lease has a fencing token; a worker that slept cannot settle what another took over.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

import psycopg
from msgspec import Struct, json

from alerting.delivery.channel import DeliveryOutcome
from alerting.rows import fetch_all, fetch_one
from alerting.sql import load_queries
from alerting.subscriptions.decision import NoticeReason
from alerting.subscriptions.notice_row import SummaryLine
from alerting.subscriptions.notice_text import NoticeText
from alerting.subscriptions.subscription import ContactKind
from alerting.vocabulary import Language

_QUERIES = load_queries(Path(__file__).with_name("delivery_worker.sql"))


class NoticeLease(Struct, frozen=True, kw_only=True):
    """One notice that this worker may send until its lease ends."""

    push_id: str
    contact_id: UUID
    reason: NoticeReason
    plume: str
    event_id: str
    revision: int
    lines: tuple[SummaryLine, ...]
    subscription_id: UUID | None
    committed_at: datetime | None
    attempts: int
    fence: int
    pseudonym: UUID
    kind: ContactKind
    address: str
    push_key: bytes | None
    push_secret: bytes | None
    language: Language


class SentNotice(Struct, frozen=True, kw_only=True):
    """The outcome of one attempt. `answer`: the other side's status, never its text. `retry_at`: None if settled."""

    lease: NoticeLease
    text: NoticeText | None
    outcome: DeliveryOutcome
    answer: str
    began_at: datetime
    ended_at: datetime
    retry_at: datetime | None = None


class QueueState(Struct, frozen=True, kw_only=True):
    """Notices that wait, and the seconds for which the oldest has been due."""

    waiting: int
    delay: float


class _LeaseRow(Struct, frozen=True, kw_only=True):
    push_id: str
    contact_id: UUID
    reason: str
    plume: str
    event_id: str
    revision: int
    lines: str
    subscription_id: UUID | None
    committed_at: datetime | None
    attempts: int
    fence: int
    pseudonym: UUID
    kind: str
    address: str
    push_key: bytes | None
    push_secret: bytes | None
    language: Language


async def lease_notices(connection: psycopg.AsyncConnection, provider: str, limit: int) -> list[NoticeLease]:
    """Lease at most `limit` notices that are due at this provider."""
    rows = await fetch_all(connection, _LeaseRow, _QUERIES["lease_notices"], {"provider": provider, "limit": limit})
    return [_read_lease(row) for row in rows]


def _read_lease(row: _LeaseRow) -> NoticeLease:
    return NoticeLease(
        push_id=row.push_id,
        contact_id=row.contact_id,
        reason=NoticeReason(row.reason),
        plume=row.plume,
        event_id=row.event_id,
        revision=row.revision,
        lines=json.decode(row.lines, type=tuple[SummaryLine, ...]),
        subscription_id=row.subscription_id,
        committed_at=row.committed_at,
        attempts=row.attempts,
        fence=row.fence,
        pseudonym=row.pseudonym,
        kind=ContactKind(row.kind),
        address=row.address,
        push_key=row.push_key,
        push_secret=row.push_secret,
        language=row.language,
    )


async def record_notices(connection: psycopg.AsyncConnection, sent: Sequence[SentNotice]) -> None:
    """Record these attempts; delete what is settled and browsers that are gone; postpone what is tried again."""
    if not sent:
        return
    settled = [item.lease for item in sent if item.retry_at is None]
    later = [item for item in sent if item.retry_at is not None]
    gone_contacts = [item.lease.contact_id for item in sent if item.outcome is DeliveryOutcome.GONE]
    async with connection.transaction(), connection.pipeline():
        texts = {hash_text(item.text): store_text(item.text) for item in sent if item.text is not None}
        await connection.execute(_QUERIES["insert_texts"], {"hashes": list(texts), "texts": list(texts.values())})
        await connection.execute(_QUERIES["insert_deliveries"], _delivery_values(sent))
        if settled:
            done = {"push_ids": [lease.push_id for lease in settled], "fences": [lease.fence for lease in settled]}
            await connection.execute(_QUERIES["delete_settled"], done)
        if later:
            postponed = {
                "push_ids": [item.lease.push_id for item in later],
                "fences": [item.lease.fence for item in later],
                "times": [item.retry_at for item in later],
            }
            await connection.execute(_QUERIES["postpone"], postponed)
        if gone_contacts:
            await connection.execute(_QUERIES["delete_gone_contacts"], {"contacts": gone_contacts})


async def fetch_queue_state(connection: psycopg.AsyncConnection) -> QueueState:
    """Return how much waits, and for how long."""
    state = await fetch_one(connection, QueueState, _QUERIES["select_queue_state"])
    return state or QueueState(waiting=0, delay=0.0)


def store_text(text: NoticeText | None) -> str:
    """Return the text as it is stored: what everybody got, without links of a contact."""
    return "" if text is None else f"{text.subject}\n\n{text.body}"


def hash_text(text: NoticeText | None) -> bytes:
    """Return the SHA-256 of the stored text."""
    return hashlib.sha256(store_text(text).encode()).digest()


def _delivery_values(sent: Sequence[SentNotice]) -> Mapping[str, object]:
    leases = [item.lease for item in sent]
    return {
        "push_ids": [lease.push_id for lease in leases],
        "attempts": [lease.attempts for lease in leases],
        "pseudonyms": [lease.pseudonym for lease in leases],
        "channels": [lease.kind.value for lease in leases],
        "reasons": [lease.reason.value for lease in leases],
        "plumes": [lease.plume for lease in leases],
        "events": [lease.event_id for lease in leases],
        "revisions": [lease.revision for lease in leases],
        "outcomes": [item.outcome.value for item in sent],
        "answers": [item.answer for item in sent],
        "hashes": [hash_text(item.text) for item in sent],
        "committed": [lease.committed_at for lease in leases],
        "began": [item.began_at for item in sent],
        "ended": [item.ended_at for item in sent],
    }
