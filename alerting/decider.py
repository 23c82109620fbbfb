"""Decides for each alert in the inbox who is told, and for each told event whether somebody must be told again."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from msgspec import ValidationError, json

from alerting import telemetry
from alerting.alert import Alert, Severity
from alerting.dedup import Told
from alerting.escalation import Watched
from alerting.pipeline import Rules
from alerting.queries import load
from alerting.routing import Reason, Verdict
from alerting.settings import AlertingSettings
from alerting.silence import Silence

_QUERIES = load(Path(__file__).with_name("queries.sql"))


class Decider:
    """One worker's rules, with the silences as they were last read."""

    def __init__(self, settings: AlertingSettings) -> None:
        self._settings = settings
        self._receivers = {receiver.name: receiver for receiver in settings.receiver}
        self._routes = settings.routes()
        self._rules = Rules(self._routes, settings.known_source, (), settings.roster)
        self._silences: object = None

    async def decide_waiting(self, connection: psycopg.AsyncConnection) -> int:
        """Decide what waits in the inbox; returns how many alerts that were."""
        async with connection.transaction():
            rows = await (await connection.execute(_QUERIES["take_inbox"])).fetchall()
            if not rows:
                return 0
            await self._read_silences(connection)
            told = await _told([row[0] for row in rows], connection)
            for event, revision, text in rows:
                await self._decide(event, revision, text, told.get(event, {}), connection)
            await connection.execute(_QUERIES["wake"])
        return len(rows)

    async def remind(self, connection: psycopg.AsyncConnection) -> int:
        """Remind and escalate where nobody answered; returns how many were told again."""
        now, count = datetime.now(UTC), 0
        async with connection.transaction():
            await self._read_silences(connection)
            for event, receiver, revision, round_, told_at, last_at, escalated, text in await (
                await connection.execute(_QUERIES["watched"])
            ).fetchall():
                watched = Watched(receiver=receiver, told_at=told_at, last_at=last_at, escalated=escalated)
                for verdict in self._rules.remind(json.decode(text, type=Alert), watched, now):
                    key = {"event": event, "revision": revision, "round": round_ + 1}
                    await self._write(verdict, key, connection)
                    escalates = verdict.reason is Reason.ESCALATED
                    answer = {"event": event, "receiver": receiver, "escalated": escalates, "now": now}
                    await connection.execute(_QUERIES["reminded"], answer)
                    count += 1
            if count:
                await connection.execute(_QUERIES["wake"])
        return count

    async def _read_silences(self, connection: psycopg.AsyncConnection) -> None:
        version = await (await connection.execute(_QUERIES["silences_version"])).fetchone()
        if version != self._silences:
            rows = await (await connection.execute(_QUERIES["silences"])).fetchall()
            silences = [
                Silence(id=r[0], match=tuple(r[1]), author=r[2], reason=r[3], starts_at=r[4], ends_at=r[5], kind=r[6])
                for r in rows
            ]
            self._rules = Rules(self._routes, self._settings.known_source, silences, self._settings.roster)
            self._silences = version

    async def _decide(
        self, event: str, revision: int, text: str, told: Mapping[str, Told], connection: psycopg.AsyncConnection
    ) -> None:
        key, now = {"event": event, "revision": revision, "round": 0}, datetime.now(UTC)
        await connection.execute(_QUERIES["dispatched"], key)
        try:
            alert = json.decode(text, type=Alert)
        except ValidationError as error:  # must not block what comes after it
            unreadable = Verdict(receiver="", told=False, reason=Reason.UNREADABLE, detail=str(error))
            await self._write(unreadable, key, connection)
            return
        for verdict in self._rules.decide(alert, told, now):
            await self._write(verdict, key, connection)
            if verdict.told and alert.firing:
                await connection.execute(_QUERIES["watch"], {**key, "receiver": verdict.receiver, "now": now})
        if not alert.firing:
            await connection.execute(_QUERIES["unwatch"], key)

    async def _write(self, verdict: Verdict, key: Mapping[str, object], connection: psycopg.AsyncConnection) -> None:
        telemetry.DECISIONS.labels(verdict.reason.value).inc()
        decision = {
            **key,
            "receiver": verdict.receiver,
            "told": verdict.told,
            "reason": verdict.reason.value,
            "detail": verdict.detail,
            "rules": self._rules.version,
        }
        await connection.execute(_QUERIES["decide"], decision)
        receiver = self._receivers.get(verdict.receiver)
        if verdict.told and receiver is not None:
            for name in receiver.first:
                await connection.execute(_QUERIES["queue"], {**decision, "channel": name})


async def _told(events: Sequence[str], connection: psycopg.AsyncConnection) -> Mapping[str, Mapping[str, Told]]:
    """Event -> receiver -> the worst it was told of it."""
    worst: dict[str, dict[str, Told]] = {}
    cursor = await connection.execute(_QUERIES["told"], {"events": list(events)})
    for event, receiver, word in await cursor.fetchall():
        severity, before = Severity(word), worst.setdefault(event, {}).get(receiver)
        if before is None or severity.rank > before.severity.rank:
            worst[event][receiver] = Told(severity=severity)
    return worst
