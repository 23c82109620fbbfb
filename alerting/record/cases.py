"""What somebody on duty asks and says, for whatever serves a page or an API: cases, silences, answers.

A connection a question, because these are few. What may be asked and said by whom is for the one who calls to decide;
`Silence.match` names the areas. Every method raises psycopg.Error where the database does not answer.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import psycopg
from msgspec import Struct, json

from alerting.alert import Alert
from alerting.decide.matcher import Matcher, MatcherIndex
from alerting.decide.silence import Silence
from alerting.errors import AlertingError
from alerting.record.evidence import EvidenceRecord, build_record
from alerting.record.history import AcknowledgementStep, AnyStep, DecisionStep
from alerting.sql import load_queries

_QUERIES = load_queries(Path(__file__).with_name("cases.sql"))
_MAX_LISTED = 500  # cases and silences in one list
_MAX_DURATION = timedelta(days=92)  # what is silenced for longer is forgotten: it belongs in the rules


class Case(Struct, frozen=True, kw_only=True):
    """One event by its newest revision, and all that happened to it. `goes_on`: it is not over."""

    alert: Alert
    is_ongoing: bool
    received_at: datetime
    steps: tuple[AnyStep, ...] = ()

    @property
    def acknowledgements(self) -> tuple[AcknowledgementStep, ...]:
        """Who said that they are on it."""
        return tuple(step for step in self.steps if isinstance(step, AcknowledgementStep))

    @property
    def notified_receivers(self) -> tuple[str, ...]:
        """Receivers that were told of it, each once."""
        return tuple(
            dict.fromkeys(step.receiver for step in self.steps if isinstance(step, DecisionStep) and step.told)
        )


class SilenceRequest(Struct, frozen=True, kw_only=True):
    """A silence that somebody asks for. Raises AlertingError where it can silence nothing, or too long."""

    match: tuple[str, ...]
    reason: str
    starts_at: datetime
    ends_at: datetime
    kind: Literal["silence", "maintenance"] = "silence"

    def __post_init__(self) -> None:
        if not self.match:
            raise AlertingError("match: say what is silenced, such as 'station=\"wijk-aan-zee\"'")
        for text in self.match:
            if not text.isprintable():
                raise AlertingError("match: holds an unprintable character")
            Matcher.parse(text)
        if not self.reason.strip():
            raise AlertingError("reason: say why, for whoever wonders why nobody was told")
        if self.ends_at <= self.starts_at:
            raise AlertingError("ends_at: a silence ends after it begins")
        if self.ends_at - self.starts_at > _MAX_DURATION:
            raise AlertingError(
                f"ends_at: at most {_MAX_DURATION.days} days; what holds for longer belongs in the rules"
            )


def areas_from_matchers(match: Sequence[str]) -> frozenset[str]:
    """The areas outside of which these matchers silence nothing; empty: they may silence something anywhere."""
    matchers = [Matcher.parse(text) for text in match]
    return frozenset(
        matcher.value for matcher in matchers if matcher.label == "area" and matcher.operator == "=" and matcher.value
    )


class CaseStore:
    """The questions and answers, at the database `dsn`."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    async def list_cases(self, areas: Sequence[str] | None) -> list[Case]:
        """What goes on in these areas (None: everywhere) and what was over since yesterday, newest first."""
        values = {"areas": None if areas is None else list(areas), "most": _MAX_LISTED}
        async with self._connection() as connection:
            rows = await (await connection.execute(_QUERIES["select_cases"], values)).fetchall()
            cases = [_case_from_row(*row) for row in rows]
            steps = await _select_steps(connection, [case.alert.event_id for case in cases])
        return [_with_steps(case, steps[case.alert.event_id]) for case in cases]

    async def get_case(self, event: str) -> Case | None:
        """One event, or None where alerting never heard of it."""
        async with self._connection() as connection:
            row = await (await connection.execute(_QUERIES["select_case"], {"event": event})).fetchone()
            if row is None:
                return None
            steps = await _select_steps(connection, [event])
        return _with_steps(_case_from_row(*row), steps[event])

    async def build_record(self, event: str) -> EvidenceRecord | None:
        """All of it as evidence, or None where alerting never heard of it. As of one moment."""
        async with self._connection() as connection:
            await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
            values = {"event": event}
            revisions = await (await connection.execute(_QUERIES["select_revisions"], values)).fetchall()
            steps = await _select_steps(connection, [event])
            contents = await (await connection.execute(_QUERIES["select_contents"], values)).fetchall()
        if not revisions:
            return None
        alerts = {revision: json.decode(text) for revision, text in revisions}
        return build_record(event, steps[event], alerts, dict(contents), datetime.now(UTC))

    async def acknowledge(self, event: str, who: str, note: str) -> None:
        """Somebody is on it: stops reminders and escalation for the whole plume."""
        async with self._connection() as connection:
            await connection.execute(_QUERIES["insert_acknowledgement"], {"event": event, "who": who, "note": note})

    async def list_silences(self) -> list[Silence]:
        """All in force or to come, newest first."""
        async with self._connection() as connection:
            rows = await (await connection.execute(_QUERIES["select_silences"], {"most": _MAX_LISTED})).fetchall()
        return [_silence_from_row(*row) for row in rows]

    async def get_silence(self, number: int) -> Silence | None:
        """One, over or not."""
        async with self._connection() as connection:
            row = await (await connection.execute(_QUERIES["select_silence"], {"id": number})).fetchone()
        return None if row is None else _silence_from_row(*row)

    async def add_silence(self, request: SilenceRequest, author: str) -> Silence:
        """Silence it from its start on."""
        values = {
            "match": list(request.match),
            "author": author,
            "reason": request.reason.strip(),
            "starts_at": request.starts_at,
            "ends_at": request.ends_at,
            "kind": request.kind,
        }
        async with self._connection() as connection:
            row = await (await connection.execute(_QUERIES["insert_silence"], values)).fetchone()
            await connection.execute(_QUERIES["notify_workers"])
        if row is None:
            raise AlertingError("the database gave no silence back")
        return _silence_from_row(*row)

    async def end_silence(self, number: int, who: str) -> bool:
        """End it now; False where it was over already or never was."""
        async with self._connection() as connection:
            return (await connection.execute(_QUERIES["end_silence"], {"id": number, "who": who})).rowcount > 0

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[psycopg.AsyncConnection]:
        async with await psycopg.AsyncConnection.connect(
            self._dsn, connect_timeout=5, application_name="piekwacht duty", options="-c statement_timeout=5000"
        ) as connection:
            yield connection


def find_silenced_cases(request: SilenceRequest, cases: Sequence[Case]) -> list[Case]:
    """Which of the cases that go on it would silence, whoever is told of them now. Pure."""
    index = MatcherIndex([(True, request.match)])
    return [case for case in cases if case.is_ongoing and any(index.find_matching(case.alert.labels))]


def _case_from_row(text: str, is_ongoing: bool, received_at: datetime) -> Case:  # noqa: FBT001 - a row's columns
    alert = json.decode(text, type=Alert)
    return Case(alert=alert, is_ongoing=alert.firing if alert.is_about_network else is_ongoing, received_at=received_at)


def _with_steps(case: Case, steps: Sequence[AnyStep]) -> Case:
    return Case(alert=case.alert, is_ongoing=case.is_ongoing, received_at=case.received_at, steps=tuple(steps))


def _silence_from_row(  # noqa: PLR0917 - a row's columns
    number: int,
    match: list[str],
    author: str,
    reason: str,
    starts_at: datetime,
    ends_at: datetime,
    kind: Literal["silence", "maintenance"],
) -> Silence:
    return Silence(
        id=number, match=tuple(match), author=author, reason=reason, starts_at=starts_at, ends_at=ends_at, kind=kind
    )


async def _select_steps(connection: psycopg.AsyncConnection, events: Sequence[str]) -> defaultdict[str, list[AnyStep]]:
    steps = defaultdict[str, list[AnyStep]](list)
    for event, text in await (await connection.execute(_QUERIES["select_steps"], {"events": list(events)})).fetchall():
        steps[event].append(json.decode(text, type=AnyStep))
    return steps
