"""Cases, silences and acknowledgements for people on duty; the inspector API and `piekwacht alerts` call it.

Each method opens a connection, because calls are few. The caller checks who may read or change what; `Silence.match`
names the areas. Every method raises psycopg.Error if the database does not answer.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import psycopg
from msgspec import Struct, json

from alerting import inbox
from alerting.alert import Alert
from alerting.decide.matcher import Matcher, MatcherIndex
from alerting.decide.silence import Silence, index_silences
from alerting.errors import AlertingError, SettingsError
from alerting.record.evidence import EvidenceRecord, build_record
from alerting.record.history import AcknowledgementStep, AnyStep, DecisionStep
from alerting.record.inspector_session import open_session
from alerting.rows import fetch_all, fetch_one
from alerting.sql import load_queries

_QUERIES = load_queries(Path(__file__).with_suffix(".sql"))
_MAX_NETWORK_LISTED = 50
_MAX_LISTED = 500  # cases and silences in one list
_MAX_PREVIEW_SECONDS = 2.0  # of a preview, which runs in a thread
_MAX_DURATION = timedelta(days=92)  # people forget a longer silence: a route should hold it


class _CaseRow(Struct, frozen=True, kw_only=True):
    alert: str
    is_ongoing: bool
    received_at: datetime


class _RevisionRow(Struct, frozen=True, kw_only=True):
    revision: int
    alert: str


class _StepRow(Struct, frozen=True, kw_only=True):
    event_id: str
    step: str


class _ContentRow(Struct, frozen=True, kw_only=True):
    sha256: str
    content: bytes


class Case(Struct, frozen=True, kw_only=True):
    """One event by its newest revision, with every step about it. `is_ongoing`: the event is open."""

    alert: Alert
    is_ongoing: bool
    received_at: datetime
    steps: tuple[AnyStep, ...] = ()

    @property
    def acknowledgements(self) -> tuple[AcknowledgementStep, ...]:
        """The acknowledgements of the event."""
        return tuple(step for step in self.steps if isinstance(step, AcknowledgementStep))

    @property
    def notified_receivers(self) -> tuple[str, ...]:
        """Receivers that were notified of it, each once."""
        return tuple(
            dict.fromkeys(step.receiver for step in self.steps if isinstance(step, DecisionStep) and step.told)
        )


class CaseRecord(Struct, frozen=True, kw_only=True):
    """All of one event: its steps, revision -> the alert as it came in, SHA-256 in hex -> the bytes that were sent."""

    steps: Sequence[AnyStep]
    alerts: Mapping[int, Any]
    contents: Mapping[str, bytes]

    def to_evidence(self, event: str, made_at: datetime) -> EvidenceRecord:
        """Return the record as a file of evidence."""
        return build_record(event, self.steps, self.alerts, self.contents, made_at)


class SilenceRequest(Struct, frozen=True, kw_only=True):
    """A requested silence. Raises AlertingError if it silences nothing, or for more than 92 days."""

    match: tuple[str, ...]
    reason: str
    starts_at: datetime
    ends_at: datetime
    kind: Literal["silence", "maintenance"] = "silence"

    def __post_init__(self) -> None:
        if not self.match:
            raise AlertingError("match: write what to silence, such as 'station=\"wijk-aan-zee\"'")
        for text in self.match:
            if not text.isprintable():
                raise AlertingError("match: holds an unprintable character")
            Matcher.parse(text)
        if not self.reason.strip():
            raise AlertingError("reason: write why, for a colleague who asks why nobody was notified")
        if self.ends_at <= self.starts_at:
            raise AlertingError("ends_at: must be after starts_at")
        if self.ends_at - self.starts_at > _MAX_DURATION:
            raise AlertingError(f"ends_at: at most {_MAX_DURATION.days} days; change the routes for a longer exception")


def areas_from_matchers(match: Sequence[str]) -> frozenset[str]:
    """Return the areas that these matchers are limited to; empty if they may match in any area.

    A matcher that cannot be read limits nothing: such a silence must still be listed and ended.
    """
    areas = set[str]()
    for text in match:
        with suppress(SettingsError):
            matcher = Matcher.read(text)
            if matcher.label == "area" and matcher.operator == "=" and matcher.value:
                areas.add(matcher.value)
    return frozenset(areas)


class CaseStore:
    """Cases, silences and acknowledgements in the database `dsn`."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    async def list_cases(self, areas: Sequence[str] | None) -> list[Case]:
        """Return open events in these areas (None: all) and those of the last 24 hours, newest first, at most 500."""
        values = {"areas": None if areas is None else list(areas), "most": _MAX_LISTED}
        async with open_session(self._dsn) as connection:
            cases = [
                _case_from_row(row) for row in await fetch_all(connection, _CaseRow, _QUERIES["select_cases"], values)
            ]
            steps = await _select_steps(connection, [case.alert.event_id for case in cases])
        return [_with_steps(case, steps[case.alert.event_id]) for case in cases]

    async def list_network_cases(self, areas: Sequence[str] | None) -> list[Case]:
        """Return alerts about the network of the last 24 hours in these areas (None: all), newest first, at most 50."""
        values = {"areas": None if areas is None else list(areas), "most": _MAX_NETWORK_LISTED}
        async with open_session(self._dsn) as connection:
            rows = await fetch_all(connection, _CaseRow, _QUERIES["select_network_cases"], values)
            cases = [_case_from_row(row) for row in rows]
            steps = await _select_steps(connection, [case.alert.event_id for case in cases])
        return [_with_steps(case, steps[case.alert.event_id]) for case in cases]

    async def get_case(self, event: str) -> Case | None:
        """Return one event, or None if alerting has no alert of it."""
        async with open_session(self._dsn) as connection:
            row = await fetch_one(connection, _CaseRow, _QUERIES["select_case"], {"event": event})
            if row is None:
                return None
            steps = await _select_steps(connection, [event])
        return _with_steps(_case_from_row(row), steps[event])

    async def list_plume_cases(self, plume: str) -> list[Case]:
        """Return the events of a plume, at most 500."""
        values = {"plume": plume, "most": _MAX_LISTED}
        async with open_session(self._dsn) as connection:
            rows = await fetch_all(connection, _CaseRow, _QUERIES["select_plume_cases"], values)
            cases = [_case_from_row(row) for row in rows]
            steps = await _select_steps(connection, [case.alert.event_id for case in cases])
        return [_with_steps(case, steps[case.alert.event_id]) for case in cases]

    async def build_record(self, event: str) -> EvidenceRecord | None:
        """Return all of one event as evidence, as of one moment; None if alerting has no alert of it."""
        async with open_session(self._dsn) as connection:
            await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
            case_record = await load_case_record(connection, event)
        return None if case_record is None else case_record.to_evidence(event, datetime.now(UTC))

    async def acknowledge(self, event: str, author: str, note: str) -> None:
        """Store an acknowledgement, which stops reminders and escalation for the whole plume."""
        values = {"event": event, "author": author, "note": note}
        async with open_session(self._dsn) as connection:
            await connection.execute(_QUERIES["insert_acknowledgement"], values)

    async def list_silences(self) -> list[Silence]:
        """Return the silences in force or to come, newest first, at most 500."""
        async with open_session(self._dsn) as connection:
            return await fetch_all(connection, Silence, _QUERIES["select_silences"], {"most": _MAX_LISTED})

    async def find_silences_set_aside(self) -> Mapping[int, str]:
        """Return the silences in force or to come that alerting does not apply, each with the reason."""
        async with open_session(self._dsn) as connection:
            silences = await fetch_all(connection, Silence, _QUERIES["select_every_silence"])
        index = await asyncio.to_thread(index_silences, silences)
        return {silence.id: reason for silence, reason in index.set_aside}

    async def get_silence(self, number: int) -> Silence | None:
        """Return one silence, also if it has ended; None if there is none."""
        async with open_session(self._dsn) as connection:
            return await fetch_one(connection, Silence, _QUERIES["select_silence"], {"id": number})

    async def add_silence(self, request: SilenceRequest, author: str) -> Silence:
        """Store a silence and wake the workers."""
        values = {
            "match": list(request.match),
            "author": author,
            "reason": request.reason.strip(),
            "starts_at": request.starts_at,
            "ends_at": request.ends_at,
            "kind": request.kind,
        }
        async with open_session(self._dsn) as connection:
            silence = await fetch_one(connection, Silence, _QUERIES["insert_silence"], values)
            await inbox.notify_workers(connection)
        if silence is None:
            raise AlertingError("the database returned no silence")
        return silence

    async def end_silence(self, number: int, author: str) -> bool:
        """End a silence now; False if it has ended already or there is none."""
        async with open_session(self._dsn) as connection:
            return (await connection.execute(_QUERIES["end_silence"], {"id": number, "author": author})).rowcount > 0


async def load_case_record(connection: psycopg.AsyncConnection, event: str) -> CaseRecord | None:
    """Load all of one event, in the caller's transaction; None if alerting has no alert of it."""
    values = {"event": event}
    revisions = await fetch_all(connection, _RevisionRow, _QUERIES["select_revisions"], values)
    if not revisions:
        return None
    steps = await _select_steps(connection, [event])
    contents = await fetch_all(connection, _ContentRow, _QUERIES["select_contents"], values)
    return CaseRecord(
        steps=steps[event],
        alerts={row.revision: json.decode(row.alert) for row in revisions},
        contents={row.sha256: row.content for row in contents},
    )


def find_silenced_cases(request: SilenceRequest, cases: Sequence[Case]) -> list[Case]:
    """Return the open cases that the silence would match, for any receiver; the caller runs it in a thread.

    Raises AlertingError if that takes too long.
    """
    index, silenced = MatcherIndex([(True, request.match)]), list[Case]()
    deadline = time.monotonic() + _MAX_PREVIEW_SECONDS
    for case in cases:
        if time.monotonic() > deadline:
            raise AlertingError(f"match: {', '.join(request.match)} takes too long; name values with = where possible")
        if case.is_ongoing and any(index.find_matching(case.alert.labels)):
            silenced.append(case)
    return silenced


def _case_from_row(row: _CaseRow) -> Case:
    alert = json.decode(row.alert, type=Alert)
    is_ongoing = alert.firing if alert.is_about_network else row.is_ongoing
    return Case(alert=alert, is_ongoing=is_ongoing, received_at=row.received_at)


def _with_steps(case: Case, steps: Sequence[AnyStep]) -> Case:
    return Case(alert=case.alert, is_ongoing=case.is_ongoing, received_at=case.received_at, steps=tuple(steps))


async def _select_steps(connection: psycopg.AsyncConnection, events: Sequence[str]) -> defaultdict[str, list[AnyStep]]:
    steps = defaultdict[str, list[AnyStep]](list)
    for row in await fetch_all(connection, _StepRow, _QUERIES["select_steps"], {"events": list(events)}):
        steps[row.event_id].append(json.decode(row.step, type=AnyStep))
    return steps
