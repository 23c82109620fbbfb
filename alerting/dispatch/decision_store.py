"""The rules as they stand now, and where verdicts are written: the decision with its reason, and what is to be sent."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from alerting import telemetry
from alerting.decide.routing import Reason, Verdict
from alerting.decide.rules import Rules
from alerting.decide.silence import Silence
from alerting.settings import AlertingSettings
from alerting.sql import load

_QUERIES = load(Path(__file__).with_name("queries.sql"))


class Decisions:
    """One worker's rules, with the silences as they were last read. Raises SettingsError where a file is missing."""

    def __init__(self, settings: AlertingSettings) -> None:
        self._settings = settings
        self._receivers = {receiver.name: receiver for receiver in settings.receiver}
        self._silences: object = None
        keeper = settings.silent.receiver if settings.silent else None
        self.rules = Rules(settings.routes(), settings.known_source, (), settings.roster, keeper)

    async def begin(self, connection: psycopg.AsyncConnection) -> None:
        """Inside a transaction: be the only one who decides, by the silences of now."""
        await connection.execute(_QUERIES["decide_alone"])
        version = await (await connection.execute(_QUERIES["silences_version"])).fetchone()
        if version == self._silences:
            return
        rows = await (await connection.execute(_QUERIES["silences"])).fetchall()
        self.rules = self.rules.with_silences([
            Silence(id=r[0], match=tuple(r[1]), author=r[2], reason=r[3], starts_at=r[4], ends_at=r[5], kind=r[6])
            for r in rows
        ])  # fmt: skip
        self._silences = version

    async def write(
        self, verdict: Verdict, event: str, revision: int, round_: int, connection: psycopg.AsyncConnection
    ) -> None:
        """Keep the verdict; queue what is told for each channel that comes first."""
        telemetry.DECISIONS.labels(verdict.reason.value).inc()
        decision: Mapping[str, object] = {
            "event": event,
            "revision": revision,
            "round": round_,
            "receiver": verdict.receiver,
            "told": verdict.told,
            "reason": verdict.reason.value,
            "detail": verdict.detail,
            "rules": self.rules.version,
        }
        await connection.execute(_QUERIES["decide"], decision)
        receiver = self._receivers.get(verdict.receiver)
        if verdict.told and receiver is not None:
            for name in receiver.first:
                await connection.execute(_QUERIES["queue"], {**decision, "channel": name})

    async def write_again(
        self, verdict: Verdict, event: str, revision: int, connection: psycopg.AsyncConnection
    ) -> int:
        """Keep a further verdict on a revision that was decided before; returns its round."""
        key = {"event": event, "revision": revision, "receiver": verdict.receiver}
        row = await (await connection.execute(_QUERIES["next_round"], key)).fetchone()
        round_ = int(row[0]) if row else 0
        await self.write(verdict, event, revision, round_, connection)
        return round_

    async def close(
        self, connection: psycopg.AsyncConnection, at: datetime | None = None, station: str | None = None
    ) -> int:
        """Tell the end of what was over for `calm_minutes` at `at` (now) to exactly those who were told; to how many.

        Only `station`'s where a new event begins there: what lies too far back is another plume.
        """
        until = (at or datetime.now(UTC)) - timedelta(minutes=self._settings.calm_minutes)
        ended = await (await connection.execute(_QUERIES["calm"], {"until": until, "station": station})).fetchall()
        for event, revision, receiver in ended:
            await self.write_again(
                Verdict(receiver=receiver, told=True, reason=Reason.CALM), event, revision, connection
            )
        return len(ended)
