"""What time brings: reminders, ends after calm, falls in severity, stations fallen silent, the day's digest."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from msgspec import json
from psycopg.rows import TupleRow

from alerting.alert import Alert, Severity
from alerting.decide.dedup import PlumeSeverity, decide_severity_drop
from alerting.decide.escalation import UnacknowledgedAlert
from alerting.decide.reason_detail import DetailCode, encode_detail
from alerting.decide.routing import Decision, DecisionReason
from alerting.dispatch.decision_store import DecisionStore
from alerting.settings import AlertingSettings
from alerting.sql import load_queries
from alerting.vocabulary import LOCAL_TIMEZONE

_QUERIES = load_queries(Path(__file__).with_name("queries.sql"))
_NO_DATA_AFTER = 300.0  # seconds without a word from a station that sees a peak


class TimerWorker:
    """Looks every few seconds at what was told and is not over."""

    def __init__(self, settings: AlertingSettings, decision_store: DecisionStore) -> None:
        self._settings, self._decision_store = settings, decision_store

    async def run_due_tasks(self, connection: psycopg.AsyncConnection) -> int:
        """Tell whatever is due; returns how many were told."""
        now = datetime.now(UTC)
        async with connection.transaction():
            await self._decision_store.lock_and_refresh(connection)
            count = await self._decision_store.close_plumes(connection)
            count += await self._notify_unacknowledged(connection, now)
            count += await self._notify_severity_drops(connection, now)
            count += await self._notify_lost_stations(connection, now)
            count += await self._notify_late_events(connection, now)
            if count:
                await connection.execute(_QUERIES["notify_workers"])
        return count

    async def _notify_unacknowledged(self, connection: psycopg.AsyncConnection, now: datetime) -> int:
        count, min_delay_minutes = 0, self._decision_store.policy.min_delay_minutes
        if min_delay_minutes is None:
            return 0
        parameters = {"before": now - timedelta(minutes=min_delay_minutes)}
        for event, receiver, revision, _, notified_at, last_notified_at, escalated, alert_json in await (
            await connection.execute(_QUERIES["select_unacknowledged"], parameters)
        ).fetchall():
            pending = UnacknowledgedAlert(
                receiver=receiver, notified_at=notified_at, last_notified_at=last_notified_at, escalated=escalated
            )
            for decision in self._decision_store.policy.decide_reminders(
                json.decode(alert_json, type=Alert), pending, now
            ):
                await self._decision_store.write_next_round(decision, event, revision, connection)
                escalates = decision.reason is DecisionReason.ESCALATED
                watch = {"event": event, "receiver": receiver, "escalated": escalates, "now": now}
                await connection.execute(_QUERIES["update_watch"], watch)
                count += 1
        return count

    async def _notify_severity_drops(self, connection: psycopg.AsyncConnection, now: datetime) -> int:
        count, hold = 0, timedelta(minutes=self._settings.ease_minutes)
        plumes = defaultdict[tuple[str, int], list[TupleRow]](list)
        for row in await (await connection.execute(_QUERIES["select_plume_severities"])).fetchall():
            plumes[row[0], row[1]].append(row)
        for (receiver, _), rows in plumes.items():
            worst = max(rows, key=lambda row: Severity(row[4]).rank)
            since = max(at for row in rows for at in (row[5], row[6]) if at is not None)
            plume_severity = PlumeSeverity(
                receiver=receiver, last_notified=Severity(worst[7]), current=Severity(worst[4]), since=since
            )
            decision, event, revision = decide_severity_drop(plume_severity, now, hold), worst[2], worst[3]
            if decision is not None and await self._passes_silences(decision, event, revision, connection, now):
                await self._decision_store.write_next_round(decision, event, revision, connection)
                count += 1
        return count

    async def _notify_lost_stations(self, connection: psycopg.AsyncConnection, now: datetime) -> int:
        """A station that fell silent in the middle of a peak: no end, and no reason to think all is well."""
        await connection.execute(_QUERIES["clear_no_data"])
        count = 0
        for event, revision, receiver, last_heard in await (
            await connection.execute(_QUERIES["select_lost_stations"], {"seconds": _NO_DATA_AFTER})
        ).fetchall():
            await connection.execute(_QUERIES["mark_no_data"], {"event": event, "receiver": receiver})
            detail = encode_detail(DetailCode.HEARD, at=last_heard)
            decision = Decision(receiver=receiver, notify=True, reason=DecisionReason.NO_DATA, detail=detail)
            if await self._passes_silences(decision, event, revision, connection, now):
                await self._decision_store.write_next_round(decision, event, revision, connection)
                count += 1
        return count

    async def _notify_late_events(self, connection: psycopg.AsyncConnection, now: datetime) -> int:
        """Once a day what was found late, in one message a receiver."""
        local = now.astimezone(LOCAL_TIMEZONE)
        if f"{local:%H:%M}" < self._settings.digest_at:
            return 0
        if await (await connection.execute(_QUERIES["insert_digest_day"], {"day": local.date()})).fetchone() is None:
            return 0
        first_by_receiver: dict[str, dict[str, object]] = {}
        for receiver, event, revision in await (await connection.execute(_QUERIES["select_late_events"])).fetchall():
            decision = Decision(
                receiver=receiver, notify=receiver not in first_by_receiver, reason=DecisionReason.DIGEST
            )
            round_ = await self._decision_store.write_next_round(decision, event, revision, connection)
            if decision.notify:
                first_by_receiver[receiver] = {"head": event, "head_revision": revision, "head_round": round_}
            else:
                key = {"event": event, "revision": revision, "round": round_, "receiver": receiver}
                await connection.execute(_QUERIES["insert_gathered"], {**first_by_receiver[receiver], **key})
        return len(first_by_receiver)

    async def _passes_silences(
        self, decision: Decision, event: str, revision: int, connection: psycopg.AsyncConnection, now: datetime
    ) -> bool:
        key = {"event": event, "revision": revision}
        row = await (await connection.execute(_QUERIES["select_alert"], key)).fetchone()
        return row is not None and self._decision_store.policy.passes_silences(
            json.decode(row[0], type=Alert), decision, now
        )
