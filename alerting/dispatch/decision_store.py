"""Stores decisions, and holds the policy that makes them; used by the inbox worker and the timer worker.

A stored decision has its reason, and queues a notification for each channel that comes first. Raises psycopg.Error.
"""

import asyncio
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from msgspec import Struct, json

from alerting import telemetry
from alerting.alert import Alert
from alerting.decide.dedup import EarlierRevisions, LastNotified
from alerting.decide.escalation import UnacknowledgedAlert
from alerting.decide.inhibition import KnownSource
from alerting.decide.policy import NotificationPolicy, RuleKind, SetAsideRule
from alerting.decide.routing import Decision, DecisionReason
from alerting.decide.silence import Silence
from alerting.log import get_logger
from alerting.message.plume import summarize_plume
from alerting.rows import fetch_all, fetch_column, fetch_value
from alerting.settings import AlertingSettings
from alerting.sql import load_queries

_LOG = get_logger("alerting.dispatch")
_QUERIES = load_queries(Path(__file__).with_suffix(".sql"))


class _EndedEvent(Struct, frozen=True, kw_only=True):
    event_id: str
    revision: int
    receiver: str


class DecisionStore:
    """One worker's policy, with silences and known sources as last read. Raises SettingsError if a file is missing.

    Everything that evaluates matchers runs in a thread, so that many rules delay nothing else in the process.
    """

    def __init__(self, settings: AlertingSettings) -> None:
        self._settings = settings
        self._receivers = {receiver.name: receiver for receiver in settings.receiver}
        self._silences_version: tuple[object, ...] | None = None
        network_receiver = settings.no_data.receiver if settings.no_data else None
        self.policy = NotificationPolicy(
            settings.load_routes(), settings.known_source, (), settings.roster, network_receiver
        )

    async def lock_and_refresh(self, connection: psycopg.AsyncConnection) -> None:
        """Inside a transaction: lock out other deciding workers, read silences and known sources if they changed."""
        await connection.execute(_QUERIES["lock_decisions"])
        if await self.refresh(connection):
            _report_set_aside(self.policy.set_aside)

    async def refresh(self, connection: psycopg.AsyncConnection) -> bool:
        """Read silences and known sources if they changed; returns whether they did."""
        version = await (await connection.execute(_QUERIES["select_silences_version"])).fetchone()
        if version == self._silences_version:
            return False
        silences = await fetch_all(connection, Silence, _QUERIES["select_silences"])
        named = await fetch_all(connection, KnownSource, _QUERIES["select_known_sources"])
        sources = [*self._settings.known_source, *named]
        self.policy = await asyncio.to_thread(self.policy.with_changes, silences, sources)
        self._silences_version = version
        return True

    async def decide(
        self,
        alert: Alert,
        last_notified: Mapping[str, LastNotified],
        now: datetime,
        *,
        calm: bool,
        earlier: EarlierRevisions,
        levels: AbstractSet[str] = frozenset(),
    ) -> list[Decision]:
        """Return the policy's decisions about one alert."""
        return await asyncio.to_thread(
            self.policy.decide, alert, last_notified, now, calm=calm, earlier=earlier, levels=levels
        )

    async def find_levels(self, alert: Alert, now: datetime, connection: psycopg.AsyncConnection) -> AbstractSet[str]:
        """Return the ids of the levels that the means of the alert's station are at or above, if a route asks."""
        if not self.policy.uses_levels or alert.is_about_network:
            return frozenset()
        values = {"station": alert.station, "property": alert.observed_property, "until": now}
        return frozenset(await fetch_column(connection, str, _QUERIES["select_levels_reached"], values))

    async def decide_reminders(self, alert: Alert, pending: UnacknowledgedAlert, now: datetime) -> list[Decision]:
        """Return the policy's reminders and escalations that are due."""
        return await asyncio.to_thread(self.policy.decide_reminders, alert, pending, now)

    async def passes_silences(self, alert: Alert, decision: Decision, now: datetime) -> bool:
        """Return whether no silence suppresses this notification of an open event."""
        return await asyncio.to_thread(self.policy.passes_silences, alert, decision, now)

    async def write_decision(
        self, decision: Decision, event: str, revision: int, round_: int, connection: psycopg.AsyncConnection
    ) -> None:
        """Store the decision; if it notifies, queue it for each of the receiver's first channels."""
        telemetry.DECISIONS.labels(decision.reason.value).inc()
        values = self._encode_decision(decision, event, revision, round_)
        await connection.execute(_QUERIES["insert_decision"], values)
        receiver = self._receivers.get(decision.receiver)
        if decision.notify and receiver is not None:
            for channel in receiver.initial_channels:
                await connection.execute(_QUERIES["insert_outbox"], {**values, "channel": channel})

    def _encode_decision(self, decision: Decision, event: str, revision: int, round_: int) -> Mapping[str, object]:
        return {
            "event": event,
            "revision": revision,
            "round": round_,
            "receiver": decision.receiver,
            "told": decision.notify,
            "reason": decision.reason.value,
            "detail": decision.detail,
            "rules": self.policy.version,
        }

    async def write_next_round(
        self, decision: Decision, event: str, revision: int, connection: psycopg.AsyncConnection
    ) -> int:
        """Store a further decision on a revision that was decided before; returns its round."""
        key = {"event": event, "revision": revision, "receiver": decision.receiver}
        round_ = await fetch_value(connection, int, _QUERIES["select_next_round"], key) or 0
        await self.write_decision(decision, event, revision, round_, connection)
        return round_

    async def close_plumes(
        self, connection: psycopg.AsyncConnection, at: datetime | None = None, key: str | None = None
    ) -> int:
        """Close plumes that were over for `calm_minutes` at `at` (default now); notify of their end; returns how often.

        Only receivers that were notified of the event are notified of its end. `key`: only the plume
        with that key, because a new event of it begins, which a plume that is over must not take in.
        """
        until = (at or datetime.now(UTC)) - timedelta(minutes=self._settings.calm_minutes)
        parameters = {"until": until, "key": key}
        closed = await fetch_column(connection, int, _QUERIES["close_calm_plumes"], parameters)
        if not closed:
            return 0
        for plume in closed:
            await self._write_summary(plume, connection)
        awaited = {"plumes": closed}
        ended_events = await fetch_all(connection, _EndedEvent, _QUERIES["select_awaited_ends"], awaited)
        for ended in ended_events:
            decision = Decision(receiver=ended.receiver, notify=True, reason=DecisionReason.CALM)
            await self.write_next_round(decision, ended.event_id, ended.revision, connection)
        return len(ended_events)

    async def update_summary(self, event: str, connection: psycopg.AsyncConnection) -> None:
        """Describe the plume of this event as it is after the end or the correction of one of its events."""
        plume = await fetch_value(connection, int, _QUERIES["select_plume_of_event"], {"event": event})
        if plume is not None:
            await self._write_summary(plume, connection)

    async def _write_summary(self, plume: int, connection: psycopg.AsyncConnection) -> None:
        alerts = await fetch_column(connection, str, _QUERIES["select_plume_alerts"], {"plume": plume})
        summary = summarize_plume([json.decode(text, type=Alert) for text in alerts])
        values = {"plume": plume, "summary": None if summary is None else json.encode(summary).decode()}
        await connection.execute(_QUERIES["update_plume_summary"], values)


def _report_set_aside(rules: Sequence[SetAsideRule]) -> None:
    """Name the rules that are not applied to the operator: in the log and in the metric."""
    for kind in RuleKind:
        telemetry.RULES_SET_ASIDE.labels(kind.value).set(sum(rule.kind is kind for rule in rules))
    for rule in rules:
        _LOG.error("rule set aside", kind=rule.kind.value, rule=rule.name, reason=rule.reason)
