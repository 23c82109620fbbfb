"""Decisions that become due with time; the decision worker calls it every few seconds.

These are reminders and escalations, ends after calm, drops in severity, and stations that stopped sending during a
peak. Corrections after a false alarm and the daily digest of late events are due with time too. After a psycopg.Error,
which passes through, the transaction is undone.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from msgspec import Struct, json

from alerting import inbox
from alerting.alert import Alert, Severity
from alerting.decide.dedup import PlumeSeverity, decide_severity_drop
from alerting.decide.escalation import UnacknowledgedAlert
from alerting.decide.reason_detail import DetailCode, encode_detail
from alerting.decide.routing import Decision, DecisionReason
from alerting.dispatch.decision_store import DecisionStore
from alerting.dispatch.false_alarm_notifier import notify_false_alarms, notify_withdrawals
from alerting.rows import fetch_all, fetch_value
from alerting.settings import AlertingSettings
from alerting.sql import load_queries
from alerting.vocabulary import LOCAL_TIMEZONE

_QUERIES = load_queries(Path(__file__).with_suffix(".sql"))
_NO_DATA_AFTER = 300.0  # seconds without data from a station whose event is open


class _Watch(Struct, frozen=True, kw_only=True):
    """A receiver that was notified of an open event which nobody has acknowledged; `alert` is its JSON."""

    event_id: str
    receiver: str
    revision: int
    notified_at: datetime
    last_notified_at: datetime
    escalated: bool
    alert: str


class _OpenEventSeverity(Struct, frozen=True, kw_only=True):
    """One open event of a plume, for one receiver; `last_ended_at`: when an event of the plume last ended."""

    receiver: str
    plume_id: int
    event_id: str
    revision: int
    severity: str
    received_at: datetime
    last_ended_at: datetime | None
    last_notified: str


class _LostStation(Struct, frozen=True, kw_only=True):
    event_id: str
    revision: int
    receiver: str
    last_heard: datetime


class _LateEvent(Struct, frozen=True, kw_only=True):
    receiver: str
    event_id: str
    revision: int


class TimerWorker:
    """Checks every few seconds the events that receivers were notified of and that are open."""

    def __init__(self, settings: AlertingSettings, decision_store: DecisionStore) -> None:
        self._settings, self._decision_store = settings, decision_store

    async def run_due_tasks(self, connection: psycopg.AsyncConnection) -> int:
        """Decide whatever is due; returns the number of notifications that follow."""
        now = datetime.now(UTC)
        async with connection.transaction():
            await self._decision_store.lock_and_refresh(connection)
            count = await self._decision_store.close_plumes(connection)
            count += await self._notify_unacknowledged(connection, now)
            count += await self._notify_severity_drops(connection, now)
            count += await self._notify_lost_stations(connection, now)
            count += await self._notify_late_events(connection, now)
            count += await notify_false_alarms(self._decision_store, connection)
            count += await notify_withdrawals(self._decision_store, connection)
            if count:
                await inbox.notify_workers(connection)
        return count

    async def _notify_unacknowledged(self, connection: psycopg.AsyncConnection, now: datetime) -> int:
        count, min_delay_minutes = 0, self._decision_store.policy.min_delay_minutes
        if min_delay_minutes is None:
            return 0
        parameters = {"before": now - timedelta(minutes=min_delay_minutes)}
        for watch in await fetch_all(connection, _Watch, _QUERIES["select_unacknowledged"], parameters):
            count += await self._notify_again(watch, connection, now)
        return count

    async def _notify_again(self, watch: _Watch, connection: psycopg.AsyncConnection, now: datetime) -> int:
        """Store the reminder and the escalation that are due; returns their number."""
        alert = json.decode(watch.alert, type=Alert)
        pending = UnacknowledgedAlert(
            receiver=watch.receiver,
            notified_at=watch.notified_at,
            last_notified_at=watch.last_notified_at,
            escalated=watch.escalated,
        )
        decisions = await self._decision_store.decide_reminders(alert, pending, now)
        for decision in decisions:
            await self._decision_store.write_next_round(decision, watch.event_id, watch.revision, connection)
            escalated = decision.reason is DecisionReason.ESCALATED
            key = {"event": watch.event_id, "receiver": watch.receiver}
            await connection.execute(_QUERIES["update_watch"], {**key, "escalated": escalated, "now": now})
        return len(decisions)

    async def _notify_severity_drops(self, connection: psycopg.AsyncConnection, now: datetime) -> int:
        count, hold = 0, timedelta(minutes=self._settings.ease_minutes)
        events_by_plume = defaultdict[tuple[str, int], list[_OpenEventSeverity]](list)
        for row in await fetch_all(connection, _OpenEventSeverity, _QUERIES["select_plume_severities"]):
            events_by_plume[row.receiver, row.plume_id].append(row)
        for events in events_by_plume.values():
            worst = max(events, key=lambda event: Severity(event.severity).rank)
            decision = decide_severity_drop(_build_plume_severity(worst, events), now, hold)
            if decision is not None:
                count += await self._notify_if_not_silenced(decision, worst.event_id, worst.revision, connection, now)
        return count

    async def _notify_lost_stations(self, connection: psycopg.AsyncConnection, now: datetime) -> int:
        """Notify if a station stopped sending during a peak: that is no end, and the peak may go on."""
        await connection.execute(_QUERIES["clear_no_data"])
        count, parameters = 0, {"seconds": _NO_DATA_AFTER}
        for lost in await fetch_all(connection, _LostStation, _QUERIES["select_lost_stations"], parameters):
            await connection.execute(_QUERIES["mark_no_data"], {"event": lost.event_id, "receiver": lost.receiver})
            detail = encode_detail(DetailCode.HEARD, at=lost.last_heard)
            decision = Decision(receiver=lost.receiver, notify=True, reason=DecisionReason.NO_DATA, detail=detail)
            count += await self._notify_if_not_silenced(decision, lost.event_id, lost.revision, connection, now)
        return count

    async def _notify_late_events(self, connection: psycopg.AsyncConnection, now: datetime) -> int:
        """Once a day notify each receiver of all events that were detected late, in one notification."""
        if not await self._claim_digest_day(connection, now):
            return 0
        first_by_receiver: dict[str, dict[str, object]] = {}
        for late in await fetch_all(connection, _LateEvent, _QUERIES["select_late_events"]):
            receiver, event, revision = late.receiver, late.event_id, late.revision
            is_first = receiver not in first_by_receiver
            decision = Decision(receiver=receiver, notify=is_first, reason=DecisionReason.DIGEST)
            round_ = await self._decision_store.write_next_round(decision, event, revision, connection)
            if is_first:
                first_by_receiver[receiver] = {"head": event, "head_revision": revision, "head_round": round_}
            else:
                key = {"event": event, "revision": revision, "round": round_, "receiver": receiver}
                await connection.execute(_QUERIES["insert_gathered"], {**first_by_receiver[receiver], **key})
        return len(first_by_receiver)

    async def _claim_digest_day(self, connection: psycopg.AsyncConnection, now: datetime) -> bool:
        """Record that today's digest is sent; returns False before its time, or if it was sent already."""
        local = now.astimezone(LOCAL_TIMEZONE)
        if f"{local:%H:%M}" < self._settings.digest_at:
            return False
        cursor = await connection.execute(_QUERIES["insert_digest_day"], {"day": local.date()})
        return await cursor.fetchone() is not None

    async def _notify_if_not_silenced(
        self, decision: Decision, event: str, revision: int, connection: psycopg.AsyncConnection, now: datetime
    ) -> bool:
        """Store the decision unless a silence suppresses it; returns whether it was stored."""
        key = {"event": event, "revision": revision}
        alert_json = await fetch_value(connection, str, _QUERIES["select_alert"], key)
        if alert_json is None:
            return False
        alert = json.decode(alert_json, type=Alert)
        if not await self._decision_store.passes_silences(alert, decision, now):
            return False
        await self._decision_store.write_next_round(decision, event, revision, connection)
        return True


def _build_plume_severity(worst: _OpenEventSeverity, events: Sequence[_OpenEventSeverity]) -> PlumeSeverity:
    """Build the severity of a plume for one receiver from its open events, of which `worst` is the most severe."""
    return PlumeSeverity(
        receiver=worst.receiver,
        last_notified=Severity(worst.last_notified),
        current=Severity(worst.severity),
        since=max(at for event in events for at in (event.received_at, event.last_ended_at) if at is not None),
    )
