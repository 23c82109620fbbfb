"""Answers of inspectors about a plume: acknowledged, false alarm, known source, note, zaak.

The inspector pages call it. An answer is for the plume as a whole. Of two inspectors who answer at once the first one
counts, and the second gets that answer back. Every method opens a connection, because calls are few, and raises
psycopg.Error if the database does not answer. The caller checks who may do what.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path

from msgspec import Struct

from alerting import inbox
from alerting.alert import Severity
from alerting.decide.false_alarm import FalseAlarm, FalseAlarmCause
from alerting.decide.matcher import Matcher
from alerting.errors import AlertingError
from alerting.record.inspector_session import open_session
from alerting.rows import fetch_all, fetch_one
from alerting.sql import load_queries

_QUERIES = load_queries(Path(__file__).with_suffix(".sql"))
MAX_KNOWN_SOURCE_DAYS = 366


class EarlierAnswer(Struct, frozen=True, kw_only=True):
    """The author and time of the same answer that was given before."""

    author: str
    at: datetime


class FalseAlarmRecord(Struct, frozen=True, kw_only=True):
    """One false alarm of a plume, as stated and perhaps withdrawn."""

    id: int
    cause: str
    note: str
    author: str
    stated_at: datetime
    withdrawn_at: datetime | None
    withdrawn_by: str | None


class NamedSource(Struct, frozen=True, kw_only=True):
    """A permitted source that an inspector named. `level`: the excess from which peaks are notified all the same."""

    id: int
    plume: str
    name: str
    match: Sequence[str]
    legal_basis: str
    until: date
    level: float
    author: str
    stated_at: datetime
    ended_at: datetime | None


class Note(Struct, frozen=True, kw_only=True):
    """One note; it is never changed."""

    author: str
    text: str
    written_at: datetime


class PlumeAnswers(Struct, frozen=True, kw_only=True):
    """The answers about one plume besides the acknowledgements, oldest first."""

    false_alarms: Sequence[FalseAlarmRecord]
    sources: Sequence[NamedSource]
    notes: Sequence[Note]

    @property
    def false_alarm(self) -> FalseAlarmRecord | None:
        """The false alarm in force."""
        return next((item for item in self.false_alarms if item.withdrawn_at is None), None)


class KnownSourceRequest(Struct, frozen=True, kw_only=True):
    """A source to name. Raises AlertingError with one sentence if a part is missing or too long."""

    name: str
    match: tuple[str, ...]
    legal_basis: str
    until: date
    level: float
    today: date

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise AlertingError("name: write which source it is")
        if not self.legal_basis.strip():
            raise AlertingError("legal_basis: write which permit or exemption allows it, such as its number")
        if self.until < self.today:
            raise AlertingError("until: this day has passed already")
        if (self.until - self.today).days > MAX_KNOWN_SOURCE_DAYS:
            raise AlertingError("until: at most a year ahead; a permanent source belongs in the configuration")
        if not 0 < self.level < 1e9:
            raise AlertingError("level: write the excess from which you want to be notified all the same")
        for text in self.match:
            Matcher.parse(text)


def build_source_matchers(area: str, observed_property: str, station: str | None) -> tuple[str, ...]:
    """Return the matchers of a known source: one property at one station, or in the whole area (None)."""
    station_matchers = [] if station is None else [f'station="{station}"']
    return (f'area="{area}"', f'property="{observed_property}"', *station_matchers)


class PlumeAnswerStore:
    """The answers in the database `dsn`."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    async def load(self, plume: str) -> PlumeAnswers:
        """Return the answers about a plume."""
        key = {"plume": plume}
        async with open_session(self._dsn) as connection:
            return PlumeAnswers(
                false_alarms=await fetch_all(connection, FalseAlarmRecord, _QUERIES["select_false_alarms"], key),
                sources=await fetch_all(connection, NamedSource, _QUERIES["select_known_sources_of_plume"], key),
                notes=await fetch_all(connection, Note, _QUERIES["select_notes"], key),
            )

    async def acknowledge(
        self, plume: str, events: Sequence[str], author: str, note: str, via: str = "account"
    ) -> EarlierAnswer | None:
        """Store an acknowledgement of the plume's events; returns the earlier one if somebody else was first."""
        key = {"plume": plume, "events": list(events), "author": author, "note": note, "via": via}
        async with open_session(self._dsn) as connection:
            await connection.execute(_QUERIES["lock_plume"], key)
            earlier = await fetch_one(connection, EarlierAnswer, _QUERIES["select_first_acknowledgement"], key)
            if earlier is None:
                await connection.execute(_QUERIES["insert_acknowledgements"], key)
            return earlier

    async def state_false_alarm(
        self, plume: str, cause: FalseAlarmCause, note: str, author: str, seen: "SeenPlume"
    ) -> EarlierAnswer | None:
        """Store a false alarm and wake the workers, which send the corrections; returns the one in force, if any."""
        values = {"plume": plume, "cause": cause.value, "note": note, "author": author, **seen.sql_values()}
        async with open_session(self._dsn) as connection:
            await connection.execute(_QUERIES["lock_plume"], values)
            earlier = await fetch_one(connection, FalseAlarm, _QUERIES["select_false_alarm"], values)
            if earlier is not None:
                return EarlierAnswer(author=earlier.author, at=earlier.stated_at)
            await connection.execute(_QUERIES["insert_false_alarm"], values)
            await inbox.notify_workers(connection)
            return None

    async def withdraw_false_alarm(self, plume: str, author: str) -> bool:
        """Withdraw the false alarm in force and wake the workers; False if there is none."""
        async with open_session(self._dsn) as connection:
            values = {"plume": plume, "author": author}
            withdrawn = (await connection.execute(_QUERIES["withdraw_false_alarm"], values)).rowcount > 0
            await inbox.notify_workers(connection)
            return withdrawn

    async def name_source(self, plume: str, request: KnownSourceRequest, author: str) -> EarlierAnswer | None:
        """Store a known source and wake the workers; returns the one that the plume has already, if any."""
        values = {
            "plume": plume,
            "name": request.name,
            "match": list(request.match),
            "legal_basis": request.legal_basis,
            "until": request.until,
            "level": request.level,
            "author": author,
        }
        async with open_session(self._dsn) as connection:
            await connection.execute(_QUERIES["lock_plume"], values)
            sources = await fetch_all(connection, NamedSource, _QUERIES["select_known_sources_of_plume"], values)
            earlier = next((source for source in sources if source.ended_at is None), None)
            if earlier is not None:
                return EarlierAnswer(author=earlier.author, at=earlier.stated_at)
            await connection.execute(_QUERIES["insert_known_source"], values)
            await inbox.notify_workers(connection)
            return None

    async def list_sources(self, today: date) -> list[NamedSource]:
        """Return the named sources in force, the first to end first, at most 500."""
        async with open_session(self._dsn) as connection:
            return await fetch_all(connection, NamedSource, _QUERIES["select_known_sources"], {"today": today})

    async def get_source(self, number: int) -> NamedSource | None:
        """Return one named source, also if it has ended; None if there is none."""
        async with open_session(self._dsn) as connection:
            return await fetch_one(connection, NamedSource, _QUERIES["select_known_source"], {"id": number})

    async def end_source(self, number: int, author: str) -> bool:
        """End a named source now; False if it has ended already or there is none."""
        async with open_session(self._dsn) as connection:
            values = {"id": number, "author": author}
            ended = (await connection.execute(_QUERIES["end_known_source"], values)).rowcount > 0
            await inbox.notify_workers(connection)
            return ended

    async def add_note(self, plume: str, author: str, text: str) -> None:
        """Store a note."""
        async with open_session(self._dsn) as connection:
            await connection.execute(_QUERIES["insert_note"], {"plume": plume, "author": author, "text": text})

    async def request_zaak(self, event: str, receiver: str, channel: str, detail: str) -> bool:
        """Queue the notification that opens a zaak and wake the workers; False if there is one already."""
        values: Mapping[str, object] = {"event": event, "receiver": receiver, "channel": channel, "detail": detail}
        async with open_session(self._dsn) as connection:
            await connection.execute(_QUERIES["lock_decisions"])
            queued = (await connection.execute(_QUERIES["insert_zaak_request"], values)).rowcount > 0
            await inbox.notify_workers(connection)
            return queued


class SeenPlume(Struct, frozen=True, kw_only=True):
    """The stations and the highest severity of a plume, as an inspector saw it."""

    stations: Sequence[str]
    severity: Severity

    def sql_values(self) -> Mapping[str, object]:
        """Return the stations, and the severities up to the one that was seen."""
        covered = [severity.value for severity in Severity if severity.rank <= self.severity.rank]
        return {"stations": list(self.stations), "severities": covered}
