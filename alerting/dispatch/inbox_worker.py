"""Decides for each alert in the inbox who is told."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from msgspec import ValidationError, json

from alerting.alert import Alert, Change, Severity
from alerting.decide.dedup import LastNotified
from alerting.decide.routing import Decision, DecisionReason
from alerting.dispatch.decision_store import DecisionStore
from alerting.log import get_logger
from alerting.settings import AlertingSettings
from alerting.sql import load_queries

_LOG = get_logger("alerting.dispatch")
_QUERIES = load_queries(Path(__file__).with_name("queries.sql"))


class InboxWorker:
    """Takes the inbox in order, one event's revisions after another."""

    def __init__(self, settings: AlertingSettings, decision_store: DecisionStore | None = None) -> None:
        self._decision_store = decision_store or DecisionStore(settings)
        self._ends_at_once = settings.calm_minutes == 0

    async def decide_inbox(self, connection: psycopg.AsyncConnection) -> int:
        """Decide what waits in the inbox; returns how many alerts that were."""
        async with connection.transaction():
            await self._decision_store.lock_and_refresh(connection)
            rows = await (await connection.execute(_QUERIES["select_inbox"])).fetchall()
            async with connection.pipeline():  # one wait an alert, not one a statement
                for event, revision, alert_json in rows:
                    await self._decide_alert(event, revision, alert_json, connection)
            if rows:
                await connection.execute(_QUERIES["notify_workers"])
        return len(rows)

    async def _decide_alert(
        self, event: str, revision: int, alert_json: str, connection: psycopg.AsyncConnection
    ) -> None:
        key: Mapping[str, object] = {"event": event, "revision": revision}
        await connection.execute(_QUERIES["mark_dispatched"], key)
        try:
            alert = json.decode(alert_json, type=Alert)
        except ValidationError as error:  # must not block what comes after it
            unreadable = Decision(receiver="", notify=False, reason=DecisionReason.UNREADABLE, detail=str(error))
            await self._decision_store.write_decision(unreadable, event, revision, 0, connection)
            return
        plume_is_open, plume_is_closed = await self._update_plume(alert, connection)
        last_notified, now = await _select_last_notified(event, connection), datetime.now(UTC)
        calm, rose_at_end = (
            plume_is_closed or (self._ends_at_once and not plume_is_open),
            await _rose_at_end(alert, connection),
        )
        for decision in self._decision_store.policy.decide(
            alert, last_notified, now, calm=calm, rose_at_end=rose_at_end
        ):
            await self._decision_store.write_decision(decision, event, revision, 0, connection)
            _log_decision(decision, event, revision)
            if decision.notify and alert.firing:
                parameters = {**key, "receiver": decision.receiver, "now": now}
                await connection.execute(_QUERIES["upsert_watch"], parameters)
        if not alert.firing and not plume_is_open:
            await connection.execute(_QUERIES["delete_watches"], key)
            if self._ends_at_once:
                await self._decision_store.close_plumes(connection)

    async def _update_plume(self, alert: Alert, connection: psycopg.AsyncConnection) -> tuple[bool, bool]:
        """Put the event where it belongs. Whether another of its plume goes on; whether there is no plume, or no more.

        What was found late joins nothing: it must not keep what happens now from being told.
        """
        key: Mapping[str, object] = {"event": alert.event_id, "revision": alert.revision, "station": alert.station}
        if alert.is_about_network or (alert.detected_late and alert.firing):
            return False, True
        if alert.firing:
            if alert.change is Change.OPENED:
                await self._decision_store.close_plumes(connection, alert.onset, alert.station)
            await connection.execute(_QUERIES["insert_plume_member"], key)
            return True, False
        state = "ended" if alert.change is Change.ENDED else "voided"
        await connection.execute(
            _QUERIES["update_plume_member"], {**key, "state": state, "over": alert.end or alert.detected_at}
        )
        row = await (await connection.execute(_QUERIES["select_plume_state"], key)).fetchone()
        return (bool(row[0]), bool(row[1])) if row else (False, True)


def _log_decision(decision: Decision, event: str, revision: int) -> None:
    _LOG.info(
        "receiver notified" if decision.notify else "receiver not notified",
        event_id=event,
        revision=revision,
        receiver=decision.receiver,
        reason=decision.reason.value,
    )


async def _rose_at_end(alert: Alert, connection: psycopg.AsyncConnection) -> bool:
    """Whether an event ends worse than anything that was said of it before."""
    if alert.change is not Change.ENDED:
        return False
    key: Mapping[str, object] = {"event": alert.event_id, "revision": alert.revision}
    rows = await (await connection.execute(_QUERIES["select_earlier_severities"], key)).fetchall()
    return bool(rows) and alert.severity.rank > max(Severity(severity).rank for (severity,) in rows)


async def _select_last_notified(event: str, connection: psycopg.AsyncConnection) -> Mapping[str, LastNotified]:
    """Receiver -> what it knows: the severity it was told last, and whether of this very event."""
    last_notified: dict[str, LastNotified] = {}
    for receiver, severity, of_this_event in await (
        await connection.execute(_QUERIES["select_last_notified"], {"event": event})
    ).fetchall():
        previous = last_notified.get(receiver)
        last_notified[receiver] = LastNotified(
            severity=Severity(severity),
            of_this_event=of_this_event or (previous is not None and previous.of_this_event),
        )
    return last_notified
