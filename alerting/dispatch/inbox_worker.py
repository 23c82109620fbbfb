"""Decides for each alert in the inbox who is told."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from msgspec import ValidationError, json

from alerting.alert import Alert, Change, Severity
from alerting.decide.dedup import Told
from alerting.decide.routing import Reason, Verdict
from alerting.dispatch.decision_store import Decisions
from alerting.settings import AlertingSettings
from alerting.sql import load

_LOG = logging.getLogger(__name__)
_QUERIES = load(Path(__file__).with_name("queries.sql"))


class Decider:
    """Takes the inbox in order, one event's revisions after another."""

    def __init__(self, settings: AlertingSettings, decisions: Decisions | None = None) -> None:
        self._decisions = decisions or Decisions(settings)
        self._at_once = settings.calm_minutes == 0

    async def decide_waiting(self, connection: psycopg.AsyncConnection) -> int:
        """Decide what waits in the inbox; returns how many alerts that were."""
        async with connection.transaction():
            await self._decisions.begin(connection)
            rows = await (await connection.execute(_QUERIES["take_inbox"])).fetchall()
            async with connection.pipeline():  # one wait an alert, not one a statement
                for event, revision, text in rows:
                    await self._decide(event, revision, text, connection)
            if rows:
                await connection.execute(_QUERIES["wake"])
        return len(rows)

    async def _decide(self, event: str, revision: int, text: str, connection: psycopg.AsyncConnection) -> None:
        key: Mapping[str, object] = {"event": event, "revision": revision}
        await connection.execute(_QUERIES["dispatched"], key)
        try:
            alert = json.decode(text, type=Alert)
        except ValidationError as error:  # must not block what comes after it
            unreadable = Verdict(receiver="", told=False, reason=Reason.UNREADABLE, detail=str(error))
            await self._decisions.write(unreadable, event, revision, 0, connection)
            return
        goes_on, closed = await self._in_its_plume(alert, connection)
        told, now = await _told(event, connection), datetime.now(UTC)
        calm, rose = closed or (self._at_once and not goes_on), await _rose(alert, connection)
        for verdict in self._decisions.rules.decide(alert, told, now, calm=calm, rose=rose):
            await self._decisions.write(verdict, event, revision, 0, connection)
            _log(verdict, event, revision)
            if verdict.told and alert.firing:
                watch = {**key, "receiver": verdict.receiver, "now": now}
                await connection.execute(_QUERIES["watch"], watch)
        if not alert.firing and not goes_on:
            await connection.execute(_QUERIES["unwatch"], key)
            if self._at_once:
                await self._decisions.close(connection)

    async def _in_its_plume(self, alert: Alert, connection: psycopg.AsyncConnection) -> tuple[bool, bool]:
        """Put the event where it belongs. Whether another of its plume goes on; whether there is no plume, or no more.

        What was found late joins nothing: it must not keep what happens now from being told.
        """
        key: Mapping[str, object] = {"event": alert.event_id, "revision": alert.revision, "station": alert.station}
        if alert.quiet or (alert.detected_late and alert.firing):
            return False, True
        if alert.firing:
            if alert.change is Change.OPENED:
                await self._decisions.close(connection, alert.onset, alert.station)
            await connection.execute(_QUERIES["join"], key)
            return True, False
        state = "ended" if alert.change is Change.ENDED else "voided"
        await connection.execute(_QUERIES["leave"], {**key, "state": state, "over": alert.end or alert.detected_at})
        row = await (await connection.execute(_QUERIES["goes_on"], key)).fetchone()
        return (bool(row[0]), bool(row[1])) if row else (False, True)


def _log(verdict: Verdict, event: str, revision: int) -> None:
    about = {"event": event, "revision": revision, "receiver": verdict.receiver, "reason": verdict.reason.value}
    _LOG.info("told" if verdict.told else "not told", extra={"about": about})


async def _rose(alert: Alert, connection: psycopg.AsyncConnection) -> bool:
    """Whether an event ends worse than anything that was said of it before."""
    if alert.change is not Change.ENDED:
        return False
    key: Mapping[str, object] = {"event": alert.event_id, "revision": alert.revision}
    said = await (await connection.execute(_QUERIES["said_before"], key)).fetchall()
    return bool(said) and alert.severity.rank > max(Severity(one).rank for (one,) in said)


async def _told(event: str, connection: psycopg.AsyncConnection) -> Mapping[str, Told]:
    """Receiver -> what it knows: the severity it was told last, and whether of this very event."""
    told: dict[str, Told] = {}
    for receiver, severity, this in await (await connection.execute(_QUERIES["told"], {"event": event})).fetchall():
        before = told.get(receiver)
        told[receiver] = Told(severity=Severity(severity), this=this or (before is not None and before.this))
    return told
