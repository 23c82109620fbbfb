"""Decided notices on their way into the database, in few statements however many contacts there are.

psycopg.Error passes through to the caller, whose transaction then fails as a whole.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from uuid import UUID

import psycopg
from msgspec import Struct, json

from alerting.alert import Severity
from alerting.sql import load_queries
from alerting.subscriptions.decision import LastNotice, NoticeReason

_QUERIES = load_queries(Path(__file__).with_name("decision_worker.sql"))


class SummaryLine(Struct, frozen=True, kw_only=True):
    """One plume in a summary, by the alert that leads it."""

    plume: str
    event_id: str
    revision: int
    reason: NoticeReason
    severity: Severity


class DecidedNotice(Struct, frozen=True, kw_only=True):
    """One notice to one contact. `committed_at`: when the event was stored; None if time made it due."""

    push_id: str
    contact_id: UUID
    provider: str
    reason: NoticeReason
    plume: str
    event_id: str
    revision: int
    lines: tuple[SummaryLine, ...] = ()
    committed_at: datetime | None = None


class NoticeBatch:
    """Notices, held plumes, and what contacts know after them; `write` stores all."""

    def __init__(self) -> None:
        self._notices: list[DecidedNotice] = []
        self._described: dict[tuple[UUID, str], LastNotice] = {}
        self._held: list[tuple[UUID, str, NoticeReason, datetime]] = []

    def __bool__(self) -> bool:
        return bool(self._notices)

    def add(self, notice: DecidedNotice) -> None:
        """Add a notice."""
        self._notices.append(notice)

    def describe(self, contact: UUID, plume: str, notice: LastNotice) -> None:
        """Note what the contact knows of the plume after its notice."""
        self._described[contact, plume] = notice

    def hold(self, contact: UUID, plume: str, reason: NoticeReason, release_at: datetime) -> None:
        """Decide about this plume again at `release_at`."""
        self._held.append((contact, plume, reason, release_at))

    async def write(self, connection: psycopg.AsyncConnection) -> None:
        """Store everything."""
        if self._notices:
            await connection.execute(_QUERIES["insert_notices"], self._notice_values())
        if self._described:
            values = self._last_notice_values()
            await connection.execute(_QUERIES["upsert_last_notices"], values)
            done = {"contacts": values["contacts"], "plumes": values["plumes"]}
            await connection.execute(_QUERIES["release_held"], done)
        if self._held:
            contacts, plumes, reasons, times = zip(*self._held, strict=True)
            values = {
                "contacts": list(contacts),
                "plumes": list(plumes),
                "reasons": [reason.value for reason in reasons],
                "release_at": list(times),
            }
            await connection.execute(_QUERIES["hold_plumes"], values)

    def _notice_values(self) -> Mapping[str, object]:
        notices = self._notices
        return {
            "push_ids": [notice.push_id for notice in notices],
            "contacts": [notice.contact_id for notice in notices],
            "providers": [notice.provider for notice in notices],
            "reasons": [notice.reason.value for notice in notices],
            "plumes": [notice.plume for notice in notices],
            "events": [notice.event_id for notice in notices],
            "revisions": [notice.revision for notice in notices],
            "lines": [json.encode(notice.lines).decode() for notice in notices],
            "committed": [notice.committed_at for notice in notices],
        }

    def _last_notice_values(self) -> Mapping[str, object]:
        described = self._described
        return {
            "contacts": [contact for contact, _ in described],
            "plumes": [plume for _, plume in described],
            "events": [notice.event_id for notice in described.values()],
            "severities": [notice.severity.value for notice in described.values()],
            "ended": [notice.has_ended for notice in described.values()],
            "voided": [notice.is_voided for notice in described.values()],
            "numbers": [notice.number for notice in described.values()],
        }
