"""What time brings: reminders, ends after calm, falls in severity, stations fallen silent, the day's digest."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from msgspec import json
from psycopg.rows import TupleRow

from alerting.alert import Alert, Severity
from alerting.decide.dedup import Course, eased
from alerting.decide.escalation import Watched
from alerting.decide.reason_detail import Code, kept
from alerting.decide.routing import Reason, Verdict
from alerting.dispatch.decision_store import Decisions
from alerting.settings import AlertingSettings
from alerting.sql import load
from alerting.vocabulary import LOCAL

_QUERIES = load(Path(__file__).with_name("queries.sql"))
_SILENT = 300.0  # seconds without a word from a station that sees a peak


class FollowUp:
    """Looks every few seconds at what was told and is not over."""

    def __init__(self, settings: AlertingSettings, decisions: Decisions) -> None:
        self._settings, self._decisions = settings, decisions

    async def look(self, connection: psycopg.AsyncConnection) -> int:
        """Tell whatever is due; returns how many were told."""
        now = datetime.now(UTC)
        async with connection.transaction():
            await self._decisions.begin(connection)
            count = await self._decisions.close(connection)
            count += await self._remind(connection, now)
            count += await self._ease(connection, now)
            count += await self._miss(connection, now)
            count += await self._digest(connection, now)
            if count:
                await connection.execute(_QUERIES["wake"])
        return count

    async def _remind(self, connection: psycopg.AsyncConnection, now: datetime) -> int:
        count, patience = 0, self._decisions.rules.patience
        if patience is None:
            return 0
        before = {"before": now - timedelta(minutes=patience)}
        for event, receiver, revision, _, told_at, last_at, escalated, text in await (
            await connection.execute(_QUERIES["watched"], before)
        ).fetchall():
            watched = Watched(receiver=receiver, told_at=told_at, last_at=last_at, escalated=escalated)
            for verdict in self._decisions.rules.remind(json.decode(text, type=Alert), watched, now):
                await self._decisions.write_again(verdict, event, revision, connection)
                escalates = verdict.reason is Reason.ESCALATED
                answer = {"event": event, "receiver": receiver, "escalated": escalates, "now": now}
                await connection.execute(_QUERIES["reminded"], answer)
                count += 1
        return count

    async def _ease(self, connection: psycopg.AsyncConnection, now: datetime) -> int:
        count, hold = 0, timedelta(minutes=self._settings.ease_minutes)
        plumes = defaultdict[tuple[str, int], list[TupleRow]](list)
        for row in await (await connection.execute(_QUERIES["courses"])).fetchall():
            plumes[row[0], row[1]].append(row)
        for (receiver, _), rows in plumes.items():
            worst = max(rows, key=lambda row: Severity(row[4]).rank)
            since = max(at for row in rows for at in (row[5], row[6]) if at is not None)
            course = Course(receiver=receiver, told=Severity(worst[7]), now=Severity(worst[4]), since=since)
            verdict, event, revision = eased(course, now, hold), worst[2], worst[3]
            if verdict is not None and await self._may(verdict, event, revision, connection, now):
                await self._decisions.write_again(verdict, event, revision, connection)
                count += 1
        return count

    async def _miss(self, connection: psycopg.AsyncConnection, now: datetime) -> int:
        """A station that fell silent in the middle of a peak: no end, and no reason to think all is well."""
        await connection.execute(_QUERIES["speaks_again"])
        count = 0
        for event, revision, receiver, last in await (
            await connection.execute(_QUERIES["speechless"], {"seconds": _SILENT})
        ).fetchall():
            await connection.execute(_QUERIES["fell_silent"], {"event": event, "receiver": receiver})
            detail = kept(Code.HEARD, at=last)
            verdict = Verdict(receiver=receiver, told=True, reason=Reason.NO_DATA, detail=detail)
            if await self._may(verdict, event, revision, connection, now):
                await self._decisions.write_again(verdict, event, revision, connection)
                count += 1
        return count

    async def _digest(self, connection: psycopg.AsyncConnection, now: datetime) -> int:
        """Once a day what was found late, in one message a receiver."""
        local = now.astimezone(LOCAL)
        if f"{local:%H:%M}" < self._settings.digest_at:
            return 0
        if await (await connection.execute(_QUERIES["digest_day"], {"day": local.date()})).fetchone() is None:
            return 0
        heads: dict[str, dict[str, object]] = {}
        for receiver, event, revision in await (await connection.execute(_QUERIES["late"])).fetchall():
            verdict = Verdict(receiver=receiver, told=receiver not in heads, reason=Reason.DIGEST)
            round_ = await self._decisions.write_again(verdict, event, revision, connection)
            if verdict.told:
                heads[receiver] = {"head": event, "head_revision": revision, "head_round": round_}
            else:
                key = {"event": event, "revision": revision, "round": round_, "receiver": receiver}
                await connection.execute(_QUERIES["queue_gathered"], {**heads[receiver], **key})
        return len(heads)

    async def _may(
        self, verdict: Verdict, event: str, revision: int, connection: psycopg.AsyncConnection, now: datetime
    ) -> bool:
        key = {"event": event, "revision": revision}
        row = await (await connection.execute(_QUERIES["alert"], key)).fetchone()
        return row is not None and self._decisions.rules.still_told(json.decode(row[0], type=Alert), verdict, now)
