"""The rules as they stand now, and where verdicts are written: the decision with its reason, and what is to be sent."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from alerting import telemetry
from alerting.decide.routing import Decision, DecisionReason
from alerting.decide.rules import NotificationPolicy
from alerting.decide.silence import Silence
from alerting.settings import AlertingSettings
from alerting.sql import load_queries

_QUERIES = load_queries(Path(__file__).with_name("queries.sql"))


class DecisionStore:
    """One worker's rules, with the silences as they were last read. Raises SettingsError where a file is missing."""

    def __init__(self, settings: AlertingSettings) -> None:
        self._settings = settings
        self._receivers = {receiver.name: receiver for receiver in settings.receiver}
        self._silences_version: object = None
        network_receiver = settings.no_data.receiver if settings.no_data else None
        self.policy = NotificationPolicy(
            settings.load_routes(), settings.known_source, (), settings.roster, network_receiver
        )

    async def lock_and_refresh(self, connection: psycopg.AsyncConnection) -> None:
        """Inside a transaction: be the only one who decides, by the silences of now."""
        await connection.execute(_QUERIES["lock_decisions"])
        version = await (await connection.execute(_QUERIES["select_silences_version"])).fetchone()
        if version == self._silences_version:
            return
        rows = await (await connection.execute(_QUERIES["select_silences"])).fetchall()
        self.policy = self.policy.with_silences([
            Silence(id=r[0], match=tuple(r[1]), author=r[2], reason=r[3], starts_at=r[4], ends_at=r[5], kind=r[6])
            for r in rows
        ])  # fmt: skip
        self._silences_version = version

    async def write_decision(
        self, decision: Decision, event: str, revision: int, round_: int, connection: psycopg.AsyncConnection
    ) -> None:
        """Keep the verdict; queue what is told for each channel that comes first."""
        telemetry.DECISIONS.labels(decision.reason.value).inc()
        values: Mapping[str, object] = {
            "event": event,
            "revision": revision,
            "round": round_,
            "receiver": decision.receiver,
            "told": decision.notify,
            "reason": decision.reason.value,
            "detail": decision.detail,
            "rules": self.policy.version,
        }
        await connection.execute(_QUERIES["insert_decision"], values)
        receiver = self._receivers.get(decision.receiver)
        if decision.notify and receiver is not None:
            for channel in receiver.initial_channels:
                await connection.execute(_QUERIES["insert_outbox"], {**values, "channel": channel})

    async def write_next_round(
        self, decision: Decision, event: str, revision: int, connection: psycopg.AsyncConnection
    ) -> int:
        """Keep a further verdict on a revision that was decided before; returns its round."""
        key = {"event": event, "revision": revision, "receiver": decision.receiver}
        row = await (await connection.execute(_QUERIES["select_next_round"], key)).fetchone()
        round_ = int(row[0]) if row else 0
        await self.write_decision(decision, event, revision, round_, connection)
        return round_

    async def close_plumes(
        self, connection: psycopg.AsyncConnection, at: datetime | None = None, station: str | None = None
    ) -> int:
        """Tell the end of what was over for `calm_minutes` at `at` (now) to exactly those who were told; to how many.

        Only `station`'s where a new event begins there: what lies too far back is another plume.
        """
        until = (at or datetime.now(UTC)) - timedelta(minutes=self._settings.calm_minutes)
        rows = await (
            await connection.execute(_QUERIES["close_calm_plumes"], {"until": until, "station": station})
        ).fetchall()
        for event, revision, receiver in rows:
            await self.write_next_round(
                Decision(receiver=receiver, notify=True, reason=DecisionReason.CALM), event, revision, connection
            )
        return len(rows)
