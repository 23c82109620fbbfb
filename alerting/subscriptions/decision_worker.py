"""Decides about each revision of an event in the queue which contacts are notified; run by the service.

A decision and its removal from the queue are one transaction, so a worker that dies leaves the queue as it was.
psycopg.Error passes through; the worker then reconnects.
"""

import hashlib
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import psycopg
from msgspec import Struct, ValidationError, json, structs

from alerting import telemetry
from alerting.alert import Alert, Severity
from alerting.log import get_logger
from alerting.rows import fetch_all, fetch_column
from alerting.sql import load_queries
from alerting.subscriptions.decision import (
    HOLDING,
    LastNotice,
    NoticeDecision,
    NoticeReason,
    NoticeRules,
    PlumeAlerts,
    build_plume_alerts,
    decide_notice,
    describe_notice,
)
from alerting.subscriptions.notice_row import DecidedNotice, NoticeBatch, SummaryLine
from alerting.subscriptions.ntfy import synchronize_topics
from alerting.subscriptions.providers import Providers
from alerting.subscriptions.settings import SubscriptionSettings
from alerting.subscriptions.subscription import NoticeSubscription, SubscriptionRow

_LOG = get_logger("alerting.subscriptions")
_QUERIES = load_queries(Path(__file__).with_suffix(".sql"))
_TIMER_INTERVAL = 1.0  # seconds between checks of due plumes
_CLEANING_INTERVAL = 600.0  # seconds


class _QueueEntry(Struct, frozen=True, kw_only=True):
    event_id: str
    revision: int
    committed_at: datetime
    alert: str


class _PlumeAlertRow(Struct, frozen=True, kw_only=True):
    plume: str
    alert: str


class _HeldRow(Struct, frozen=True, kw_only=True):
    contact_id: UUID
    plume: str


class _SubscriptionOfContact(SubscriptionRow, frozen=True, kw_only=True):
    contact_id: UUID


class _ContactRow(Struct, frozen=True, kw_only=True):
    """A contact, with what it was last notified of about one plume (None: nothing)."""

    id: UUID
    pseudonym: UUID
    kind: str
    address: str
    is_paused: bool
    event_id: str | None
    severity: str | None
    has_ended: bool | None
    is_voided: bool | None
    number: int | None

    @property
    def last_notice(self) -> LastNotice | None:
        """The last notice to the contact."""
        if self.event_id is None or self.severity is None or self.number is None:
            return None
        return LastNotice(
            event_id=self.event_id,
            severity=Severity(self.severity),
            has_ended=bool(self.has_ended),
            is_voided=bool(self.is_voided),
            number=self.number,
        )


class NoticeDecisionWorker:
    """Decides at the pace of the queue; checks every second for due plumes."""

    def __init__(self, settings: SubscriptionSettings) -> None:
        self._providers = Providers(settings.push)
        self._calm = timedelta(minutes=settings.calm_minutes)
        self._rules = NoticeRules(
            confidence=settings.confidence,
            confidence_corroborated=settings.confidence_corroborated,
            daily_at=datetime.strptime(settings.daily_at, "%H:%M").time(),  # noqa: DTZ007 - a time of day
        )
        self._ntfy, self._has_topics = settings.ntfy, False
        self._timers_due_at = self._cleaned_at = float("-inf")

    async def step(self, connection: psycopg.AsyncConnection) -> bool:
        """Decide once; return whether the queue held anything."""
        if not self._has_topics:
            await synchronize_topics(connection, self._ntfy)
            self._has_topics = True
        count = await self.decide_queue(connection)
        now = time.monotonic()
        if now >= self._timers_due_at:
            self._timers_due_at = now + _TIMER_INTERVAL
            count += await self.decide_due(connection, datetime.now(UTC))
        if now - self._cleaned_at >= _CLEANING_INTERVAL:
            self._cleaned_at = now
            await delete_expired(connection)
        return count > 0

    async def decide_queue(self, connection: psycopg.AsyncConnection) -> int:
        """Decide about the waiting revisions, at most 200; return their number."""
        async with connection.transaction():
            await connection.execute(_QUERIES["lock_decisions"])
            entries = await fetch_all(connection, _QueueEntry, _QUERIES["select_queue"])
            if not entries:
                return 0
            alerts = [(entry, alert) for entry in entries if (alert := _read_alert(entry.alert)) is not None]
            committed_at: dict[str, datetime] = {}
            for entry, alert in alerts:
                committed_at.setdefault(_plume_id(alert), entry.committed_at)
            await connection.execute(
                _QUERIES["upsert_plume_events"], _plume_event_values([alert for _, alert in alerts])
            )
            now, batch = datetime.now(UTC), NoticeBatch()
            for plume in await _fetch_plumes(connection, list(committed_at)):
                plume = structs.replace(plume, is_calm=self._is_calm(plume, now))  # noqa: PLW2901 - the same plume
                await self._decide_plume(connection, plume, now, batch, committed_at[plume.id])
                await connection.execute(_QUERIES["update_plume"], self._plume_values(plume, now))
            await batch.write(connection)
            decided = {"events": [e.event_id for e in entries], "revisions": [e.revision for e in entries]}
            await connection.execute(_QUERIES["delete_queue"], decided)
            if batch:
                await connection.execute(_QUERIES["notify_senders"])
        return len(entries)

    async def decide_due(self, connection: psycopg.AsyncConnection, now: datetime) -> int:
        """Decide the ends of plumes that have been calm, and what quiet hours held; return how many there were."""
        async with connection.transaction():
            await connection.execute(_QUERIES["lock_decisions"])
            batch = NoticeBatch()
            ended = await fetch_column(connection, str, _QUERIES["select_due_ends"], {"now": now})
            for plume in await _fetch_plumes(connection, ended):
                calm_plume = structs.replace(plume, is_calm=True)
                await self._decide_plume(connection, calm_plume, now, batch, None)
                await connection.execute(_QUERIES["update_plume"], {"plume": plume.id, "end_due_at": None})
            held = await fetch_all(connection, _HeldRow, _QUERIES["select_released"], {"now": now})
            if held:
                await self._release(connection, held, now, batch)
            await batch.write(connection)
            if batch:
                await connection.execute(_QUERIES["notify_senders"])
        return len(ended) + len(held)

    async def _decide_plume(
        self,
        connection: psycopg.AsyncConnection,
        plume: PlumeAlerts,
        now: datetime,
        batch: NoticeBatch,
        committed_at: datetime | None,
    ) -> None:
        """Decide about one plume for every contact that it may concern."""
        contacts = await fetch_all(connection, _ContactRow, _QUERIES["select_contacts"], _concern_values(plume))
        subscriptions = await _fetch_subscriptions(connection, [contact.id for contact in contacts])
        for contact in contacts:
            last = contact.last_notice
            decision = decide_notice(
                plume, subscriptions.get(contact.id, ()), last, now, self._rules, is_paused=contact.is_paused
            )
            telemetry.NOTICE_DECISIONS.labels(decision.reason.value).inc()
            if decision.notifies:
                self._add_notice(batch, contact, plume, decision, committed_at)
            elif decision.reason in HOLDING and decision.release_at is not None:
                batch.hold(contact.id, plume.id, decision.reason, decision.release_at)

    def _add_notice(
        self,
        batch: NoticeBatch,
        contact: _ContactRow,
        plume: PlumeAlerts,
        decision: NoticeDecision,
        committed_at: datetime | None,
    ) -> None:
        alert, described = decision.alert, describe_notice(decision, plume, contact.last_notice)
        if alert is None:
            return
        batch.describe(contact.id, plume.id, described)
        batch.add(
            DecidedNotice(
                push_id=build_push_id(contact.pseudonym, plume.id, described.number),
                contact_id=contact.id,
                provider=self._providers.find(contact.kind, contact.address),
                reason=decision.reason,
                plume=plume.id,
                event_id=alert.event_id,
                revision=alert.revision,
                committed_at=committed_at,
            )
        )

    async def _release(
        self, connection: psycopg.AsyncConnection, held: Sequence[_HeldRow], now: datetime, batch: NoticeBatch
    ) -> None:
        """Give each contact one notice about all of its held plumes as they are now."""
        contact_ids = list(dict.fromkeys(row.contact_id for row in held))
        plume_ids = list(dict.fromkeys(row.plume for row in held))
        subscriptions = await _fetch_subscriptions(connection, contact_ids)
        lines: dict[UUID, list[SummaryLine]] = defaultdict(list)
        contacts: dict[UUID, _ContactRow] = {}
        for plume in await _fetch_plumes(connection, plume_ids):
            of_plume = [row.contact_id for row in held if row.plume == plume.id]
            values = {"plume": plume.id, "contacts": of_plume}
            calm_plume = structs.replace(plume, is_calm=self._is_calm(plume, now))
            for contact in await fetch_all(connection, _ContactRow, _QUERIES["select_released_contacts"], values):
                last = contact.last_notice
                decision = decide_notice(
                    calm_plume,
                    subscriptions.get(contact.id, ()),
                    last,
                    now,
                    self._rules,
                    is_paused=contact.is_paused,
                    is_release=True,
                )
                if decision.notifies and decision.alert is not None:
                    contacts[contact.id] = contact
                    batch.describe(contact.id, plume.id, describe_notice(decision, calm_plume, last))
                    lines[contact.id].append(_build_line(plume.id, decision.alert, decision.reason))
        for contact_id, contact_lines in lines.items():
            batch.add(self._build_summary(contacts[contact_id], contact_lines, now))
        await connection.execute(_QUERIES["delete_released"], {"now": now, "contacts": contact_ids})

    def _build_summary(self, contact: _ContactRow, lines: Sequence[SummaryLine], now: datetime) -> DecidedNotice:
        worst = max(lines, key=lambda line: line.severity.rank)
        telemetry.NOTICE_DECISIONS.labels(NoticeReason.SUMMARY.value).inc()
        return DecidedNotice(
            push_id=build_push_id(contact.pseudonym, "summary", int(now.timestamp())),
            contact_id=contact.id,
            provider=self._providers.find(contact.kind, contact.address),
            reason=NoticeReason.SUMMARY,
            plume=worst.plume,
            event_id=worst.event_id,
            revision=worst.revision,
            lines=tuple(lines),
        )

    def _is_calm(self, plume: PlumeAlerts, now: datetime) -> bool:
        end_due_at = self._find_end_due(plume, now)
        return plume.is_over and (end_due_at is None or end_due_at <= now)

    def _find_end_due(self, plume: PlumeAlerts, now: datetime) -> datetime | None:
        """Return when the plume will have been over for long enough; None while it goes on."""
        if not plume.is_over:
            return None
        ends = [alert.end or alert.detected_at for alert in plume.counted]
        return min(max(ends), now) + self._calm if ends else None

    def _plume_values(self, plume: PlumeAlerts, now: datetime) -> Mapping[str, object]:
        due_at = self._find_end_due(plume, now)
        return {"plume": plume.id, "end_due_at": None if due_at is None or due_at <= now else due_at}


def build_push_id(pseudonym: UUID, plume: str, number: int) -> str:
    """Return the id of a contact's notice with this number about a plume: the same however often it is decided."""
    return hashlib.sha256(f"{pseudonym} {plume} {number}".encode()).hexdigest()[:32]


async def delete_expired(connection: psycopg.AsyncConnection) -> None:
    """Delete what nobody confirmed within 48 hours, and what is known of plumes older than 90 days."""
    for query in (
        "delete_unconfirmed_contacts",
        "delete_unconfirmed_subscriptions",
        "delete_old_notices",
        "delete_old_plumes",
    ):
        await connection.execute(_QUERIES[query])


def _read_alert(text: str) -> Alert | None:
    """Return the alert if it is about the air; one that this version cannot read is left out, and logged."""
    try:
        alert = json.decode(text, type=Alert)
    except ValidationError as error:
        _LOG.error("alert cannot be read for subscribers", error=str(error))
        return None
    return None if alert.is_about_network else alert


def _plume_id(alert: Alert) -> str:
    return alert.plume or alert.event_id


def _plume_event_values(alerts: Sequence[Alert]) -> Mapping[str, object]:
    newest = {alert.event_id: alert for alert in sorted(alerts, key=lambda alert: alert.revision)}.values()
    return {
        "events": [alert.event_id for alert in newest],
        "plumes": [_plume_id(alert) for alert in newest],
        "revisions": [alert.revision for alert in newest],
    }


def _concern_values(plume: PlumeAlerts) -> Mapping[str, object]:
    return {
        "plume": plume.id,
        "area": plume.alerts[0].area,
        "stations": [alert.station for alert in plume.alerts],
        "properties": ["", *(alert.observed_property for alert in plume.alerts)],
    }


def _build_line(plume: str, alert: Alert, reason: NoticeReason) -> SummaryLine:
    return SummaryLine(
        plume=plume, event_id=alert.event_id, revision=alert.revision, reason=reason, severity=alert.severity
    )


async def _fetch_plumes(connection: psycopg.AsyncConnection, ids: Sequence[str]) -> list[PlumeAlerts]:
    if not ids:
        return []
    by_plume: dict[str, list[Alert]] = defaultdict(list)
    rows = await fetch_all(connection, _PlumeAlertRow, _QUERIES["select_plume_alerts"], {"plumes": list(ids)})
    for row in rows:
        by_plume[row.plume].append(json.decode(row.alert, type=Alert))
    return [build_plume_alerts(plume, alerts) for plume, alerts in by_plume.items()]


async def _fetch_subscriptions(
    connection: psycopg.AsyncConnection, contacts: Sequence[UUID]
) -> Mapping[UUID, list[NoticeSubscription]]:
    by_contact: dict[UUID, list[NoticeSubscription]] = defaultdict(list)
    values = {"contacts": list(contacts)}
    for row in await fetch_all(connection, _SubscriptionOfContact, _QUERIES["select_subscriptions"], values):
        by_contact[row.contact_id].append(row.read())
    return by_contact
