"""Corrections after a false alarm, and the notification if it is withdrawn; the timer worker calls it.

Every receiver that was notified of an event gets the correction of that event, whatever routes or silences changed
since. Reminders about the plume stop. psycopg.Error passes through.
"""

from pathlib import Path

import psycopg
from msgspec import Struct

from alerting.decide.false_alarm import FalseAlarm, describe_false_alarm
from alerting.decide.reason_detail import DetailCode, encode_detail
from alerting.decide.routing import Decision, DecisionReason
from alerting.dispatch.decision_store import DecisionStore
from alerting.rows import fetch_all
from alerting.sql import load_queries

_QUERIES = load_queries(Path(__file__).with_suffix(".sql"))


class _WithdrawnFalseAlarm(FalseAlarm, frozen=True, kw_only=True):
    withdrawn_by: str


class _NotifiedReceiver(Struct, frozen=True, kw_only=True):
    event_id: str
    revision: int
    receiver: str


async def notify_false_alarms(decision_store: DecisionStore, connection: psycopg.AsyncConnection) -> int:
    """Queue the corrections that are due, inside the caller's transaction; returns their number."""
    count = 0
    for false_alarm in await fetch_all(connection, FalseAlarm, _QUERIES["select_uncorrected"]):
        detail = describe_false_alarm(false_alarm)
        count += await _notify(false_alarm, DecisionReason.FALSE_ALARM, detail, decision_store, connection)
        await connection.execute(_QUERIES["delete_watches"], {"plume": false_alarm.plume})
        await connection.execute(_QUERIES["mark_corrected"], {"id": false_alarm.id})
    return count


async def notify_withdrawals(decision_store: DecisionStore, connection: psycopg.AsyncConnection) -> int:
    """Notify the receivers of a correction that it no longer holds; returns the number of notifications."""
    count = 0
    for false_alarm in await fetch_all(connection, _WithdrawnFalseAlarm, _QUERIES["select_withdrawn"]):
        detail = encode_detail(DetailCode.WITHDRAWN, author=false_alarm.withdrawn_by)
        count += await _notify(false_alarm, DecisionReason.REINSTATED, detail, decision_store, connection)
        await connection.execute(_QUERIES["mark_reopened"], {"id": false_alarm.id})
    return count


async def _notify(
    false_alarm: FalseAlarm,
    reason: DecisionReason,
    detail: str,
    decision_store: DecisionStore,
    connection: psycopg.AsyncConnection,
) -> int:
    """Store one decision for each event with each receiver that it concerns."""
    query = "select_notified" if reason is DecisionReason.FALSE_ALARM else "select_corrected"
    values = {
        "plume": false_alarm.plume,
        "stations": list(false_alarm.stations),
        "severities": list(false_alarm.severities),
    }
    notified = await fetch_all(connection, _NotifiedReceiver, _QUERIES[query], values)
    for row in notified:
        decision = Decision(receiver=row.receiver, notify=True, reason=reason, detail=detail)
        await decision_store.write_next_round(decision, row.event_id, row.revision, connection)
    return len(notified)
