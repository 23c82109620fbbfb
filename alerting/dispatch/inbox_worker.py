"""Decides for each alert in the inbox which receivers are notified; the decision worker calls it.

An alert that this version cannot read is recorded as unreadable and does not stop those after it. After a
psycopg.Error, which passes through, the transaction is undone and the alerts stay in the inbox.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from msgspec import Struct, ValidationError, json

from alerting import inbox
from alerting.alert import Alert, Change, Severity
from alerting.decide.dedup import EarlierRevisions, LastNotified, compare_revisions
from alerting.decide.false_alarm import FalseAlarm, apply_false_alarm
from alerting.decide.routing import Decision, DecisionReason
from alerting.dispatch.decision_store import DecisionStore
from alerting.log import get_logger
from alerting.rows import fetch_all, fetch_column, fetch_one
from alerting.settings import AlertingSettings
from alerting.sql import load_queries

_LOG = get_logger("alerting.dispatch")
_QUERIES = load_queries(Path(__file__).with_suffix(".sql"))
_CLOSING = frozenset({Change.ENDED, Change.VOIDED})


class InboxEntry(Struct, frozen=True, kw_only=True):
    """An alert that waits; `alert` is its JSON. `received_at`: of the transaction that stored it."""

    event_id: str
    revision: int
    alert: str
    received_at: datetime
    severity: str | None = None
    property_order: int = 0


class PlumeCondition(Struct, frozen=True, kw_only=True):
    """`is_open`: another event of the plume is open. `is_closed`: the plume is closed, or there is none."""

    is_open: bool
    is_closed: bool


class _NotifiedRow(Struct, frozen=True, kw_only=True):
    receiver: str
    severity: str
    of_this_event: bool
    change: str


class _RemainingMember(Struct, frozen=True, kw_only=True):
    receiver: str
    event_id: str
    revision: int
    alert: str


class InboxWorker:
    """Takes the inbox in order, one event's revisions one after another."""

    def __init__(self, settings: AlertingSettings, decision_store: DecisionStore | None = None) -> None:
        self._decision_store = decision_store or DecisionStore(settings)
        self._ends_at_once = settings.calm_minutes == 0

    async def decide_inbox(self, connection: psycopg.AsyncConnection) -> int:
        """Decide about the waiting alerts, at most 200; returns their number."""
        async with connection.transaction():
            await self._decision_store.lock_and_refresh(connection)
            entries = await fetch_all(connection, InboxEntry, _QUERIES["select_inbox"])
            async with connection.pipeline():  # one round trip per alert, not per statement
                for entry in order_entries(entries):
                    await self._decide_alert(entry, connection)
            if entries:
                await inbox.notify_workers(connection)
        return len(entries)

    async def _decide_alert(self, entry: InboxEntry, connection: psycopg.AsyncConnection) -> None:
        event, revision = entry.event_id, entry.revision
        key: Mapping[str, object] = {"event": event, "revision": revision}
        await connection.execute(_QUERIES["mark_dispatched"], key)
        try:
            alert = json.decode(entry.alert, type=Alert)
        except ValidationError as error:  # must not block the alerts after it
            unreadable = Decision(receiver="", notify=False, reason=DecisionReason.UNREADABLE, detail=str(error))
            await self._decision_store.write_decision(unreadable, event, revision, 0, connection)
            return
        plume = await self._update_plume(alert, connection)
        last_notified, now = await _select_last_notified(alert, connection), datetime.now(UTC)
        calm = plume.is_closed or (self._ends_at_once and not plume.is_open)
        earlier = await _select_earlier_revisions(alert, connection)
        levels = await self._decision_store.find_levels(alert, now, connection)
        decisions = await self._decision_store.decide(
            alert, last_notified, now, calm=calm, earlier=earlier, levels=levels
        )
        false_alarm = await _select_false_alarm(alert, connection)
        for decision in (apply_false_alarm(alert, decision, false_alarm) for decision in decisions):
            await self._decision_store.write_decision(decision, event, revision, 0, connection)
            _log_decision(decision, event, revision)
            if decision.notify and alert.firing:
                parameters = {**key, "receiver": decision.receiver, "now": now}
                await connection.execute(_QUERIES["upsert_watch"], parameters)
        if alert.change is Change.VOIDED:
            await connection.execute(_QUERIES["delete_watch"], key)
            await self._notify_remaining_events(event, now, connection)
        if not alert.firing and calm:
            await self._decision_store.update_summary(event, connection)
        if not alert.firing and not plume.is_open:
            await connection.execute(_QUERIES["delete_watches"], key)
            if self._ends_at_once:
                await self._decision_store.close_plumes(connection)

    async def _notify_remaining_events(self, event: str, now: datetime, connection: psycopg.AsyncConnection) -> None:
        """After a correction, notify of the worst event of the plume that stands and was suppressed in its favour."""
        worst: dict[str, tuple[int, _RemainingMember, Alert]] = {}
        for row in await fetch_all(
            connection, _RemainingMember, _QUERIES["select_remaining_members"], {"event": event}
        ):
            alert = json.decode(row.alert, type=Alert)
            if row.receiver not in worst or alert.severity.rank > worst[row.receiver][0]:
                worst[row.receiver] = alert.severity.rank, row, alert
        for receiver, (_, row, alert) in worst.items():
            decision = Decision(receiver=receiver, notify=True, reason=DecisionReason.REMAINING)
            await self._decision_store.write_next_round(decision, row.event_id, row.revision, connection)
            _log_decision(decision, row.event_id, row.revision)
            if alert.firing:
                parameters = {"event": row.event_id, "revision": row.revision, "receiver": receiver, "now": now}
                await connection.execute(_QUERIES["upsert_watch"], parameters)

    async def _update_plume(self, alert: Alert, connection: psycopg.AsyncConnection) -> PlumeCondition:
        """Put the event into its plume; an alert that names none into that of its station."""
        key: Mapping[str, object] = {
            "event": alert.event_id,
            "revision": alert.revision,
            "station": alert.station,
            "plume": alert.plume or f"station {alert.station}",
        }
        # an event that was detected late joins no plume: it must not suppress notifications of what happens now
        if alert.is_about_network or (alert.detected_late and alert.firing):
            return PlumeCondition(is_open=False, is_closed=True)
        if alert.firing:
            if alert.change is Change.OPENED:
                await self._decision_store.close_plumes(connection, alert.onset, str(key["plume"]))
            await connection.execute(_QUERIES["insert_plume_member"], key)
            return PlumeCondition(is_open=True, is_closed=False)
        state = "ended" if alert.change is Change.ENDED else "voided"
        parameters = {**key, "state": state, "ended_at": alert.end or alert.detected_at}
        await connection.execute(_QUERIES["update_plume_member"], parameters)
        plume = await fetch_one(connection, PlumeCondition, _QUERIES["select_plume_state"], key)
        return plume or PlumeCondition(is_open=False, is_closed=True)


def order_entries(entries: Sequence[InboxEntry]) -> list[InboxEntry]:
    """Order alerts of one transaction so that the leading event of a plume is the first, which notifies.

    The order of transactions and that of the revisions of an event do not change.
    """
    rank = {severity.value: severity.rank for severity in Severity}
    worst: dict[tuple[datetime, str], int] = {}
    for entry in entries:
        key = entry.received_at, entry.event_id
        worst[key] = max(worst.get(key, 0), rank.get(entry.severity or "", 0))
    return sorted(
        entries,
        key=lambda entry: (
            entry.received_at,
            -worst[entry.received_at, entry.event_id],
            entry.property_order,
            entry.event_id,
            entry.revision,
        ),
    )


def _log_decision(decision: Decision, event: str, revision: int) -> None:
    _LOG.info(
        "receiver notified" if decision.notify else "receiver not notified",
        event_id=event,
        revision=revision,
        receiver=decision.receiver,
        reason=decision.reason.value,
    )


async def _select_earlier_revisions(alert: Alert, connection: psycopg.AsyncConnection) -> EarlierRevisions:
    """Compare an end or a correction with the earlier revisions; those that cannot be read count for nothing."""
    if alert.firing or alert.is_about_network:
        return EarlierRevisions()
    key: Mapping[str, object] = {"event": alert.event_id, "revision": alert.revision}
    earlier = []
    for text in await fetch_column(connection, str, _QUERIES["select_earlier_revisions"], key):
        with suppress(ValidationError):
            earlier.append(json.decode(text, type=Alert))
    return compare_revisions(alert, earlier)


async def _select_false_alarm(alert: Alert, connection: psycopg.AsyncConnection) -> FalseAlarm | None:
    """Return the false alarm in force that an inspector stated about the plume of this event."""
    if alert.is_about_network:
        return None
    parameters = {"plume": alert.plume or alert.event_id}
    return await fetch_one(connection, FalseAlarm, _QUERIES["select_false_alarm"], parameters)


async def _select_last_notified(alert: Alert, connection: psycopg.AsyncConnection) -> Mapping[str, LastNotified]:
    """Receiver -> what it was last notified of in the plume of this event."""
    last_notified: dict[str, LastNotified] = {}
    parameters = {"event": alert.event_id, "voided": alert.change is Change.VOIDED}
    for row in await fetch_all(connection, _NotifiedRow, _QUERIES["select_last_notified"], parameters):
        previous, change = last_notified.get(row.receiver), Change(row.change)
        last_notified[row.receiver] = LastNotified(
            severity=Severity(row.severity),
            of_this_event=row.of_this_event or (previous is not None and previous.of_this_event),
            of_its_end=change in _CLOSING if row.of_this_event else previous is not None and previous.of_its_end,
            of_plume_end=change is Change.ENDED or (previous is not None and previous.of_plume_end),
        )
    return last_notified
