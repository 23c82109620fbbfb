"""Operations of inspectors, each within their own areas: read cases, acknowledge, silence.

The inspector pages and the inspector API both call it, so that authorization, audit log and alerting's rules are the
same. Functions raise HTTPException: 401 or 403 without the right, 404 or 400 for a wrong request, and 503 if the
database is away.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import psycopg
from fastapi import FastAPI, HTTPException, Request

from alerting.decide.silence import Silence
from alerting.errors import AlertingError, one_line
from alerting.log import get_logger
from alerting.record.cases import Case, CaseStore, SilenceRequest, areas_from_matchers, find_silenced_cases
from alerting.record.plume_cases import PlumeCase, group_cases
from alerting.vocabulary import Language
from gateway.access.authorization import identity_of, require_scope
from gateway.access.identity import EVERY_AREA, AccessDecision, Identity, Scope, decide_access
from gateway.api.inspector.dossiers import DossierFile, DossierMaker
from gateway.errors import GatewayError

_LOG = get_logger("gateway.api")
_SCOPE = Scope.ANSWER_ALERTS
_MAX_NOTE_LENGTH = 1_000


class DossierNotMadeError(HTTPException):
    """A dossier could not be made; `detail` names the cause."""


def install(app: FastAPI, dsn: str, dossiers: DossierMaker | None) -> None:
    """Give the application its access to the records of alerting, and what makes dossiers."""
    app.state.case_store, app.state.dossiers = CaseStore(dsn), dossiers


def require_inspector(request: Request) -> Identity:
    """The identity of the request; raises HTTPException 401 or 403 if it is not an inspector."""
    identity = identity_of(request)
    if identity is None:
        raise HTTPException(401, "sign in, or send a key", {"WWW-Authenticate": "Bearer"})
    if _SCOPE not in identity.scopes:
        raise HTTPException(403, "your role does not include this")
    return identity


async def list_cases(request: Request) -> list[Case]:
    """The open events in the inspector's areas, and those that ended since yesterday."""
    identity = require_inspector(request)
    with translate_database_errors():
        return await case_store(request).list_cases(readable_areas(identity))


async def list_network_cases(request: Request) -> list[Case]:
    """The alerts of the last day about the network in the inspector's areas."""
    identity = require_inspector(request)
    with translate_database_errors():
        return await case_store(request).list_network_cases(readable_areas(identity))


async def get_case(request: Request, event: str) -> Case:
    """One event with its decisions, deliveries and acknowledgements; 404 if unknown, 403 in another's area."""
    identity = require_inspector(request)
    with translate_database_errors():
        case = await case_store(request).get_case(event)
    if case is None:
        raise HTTPException(404, f"alerting has no event {event[:80]!r}")
    if decide_access(identity, _SCOPE, case.alert.area) is not AccessDecision.ALLOWED:
        raise HTTPException(403, "this belongs to an area that is not yours")
    return case


async def get_plume_case(request: Request, case: Case) -> PlumeCase:
    """The whole plume of a case of the inspector; of a case without a plume it alone."""
    if not case.alert.plume:
        return PlumeCase(cases=(case,))
    with translate_database_errors():
        cases = await case_store(request).list_plume_cases(case.alert.plume)
    (plume_case,) = group_cases(cases) or [PlumeCase(cases=(case,))]
    return plume_case


async def acknowledge(request: Request, event: str, note: str) -> Case:
    """Record an acknowledgement; returns the event afterwards."""
    case = await get_case(request, event)
    with translate_database_errors():
        identity = await require_scope(request, _SCOPE, f"acknowledge {event}", case.alert.area)
        await case_store(request).acknowledge(event, author_name(identity), to_single_line(note))
    return await get_case(request, event)


def offers_dossiers(request: Request) -> bool:
    """Whether dossiers can be made here."""
    return request.app.state.dossiers is not None


async def make_dossier(request: Request, event: str, language: Language) -> DossierFile:
    """Make the dossier of an event, and record it in the audit log; 503 with the reason if it cannot be made."""
    case = await get_case(request, event)
    with translate_database_errors():
        await require_scope(request, _SCOPE, f"dossier {event}", case.alert.area)
    maker: DossierMaker | None = request.app.state.dossiers
    if maker is None:
        raise HTTPException(404, "no dossiers are made here")
    try:
        return await maker.make(event, language)
    except GatewayError as error:
        _LOG.warning("dossier not made", event_id=event, error=one_line(error))
        raise DossierNotMadeError(503, f"the dossier was not made: {error}", {"Retry-After": "60"}) from None


async def list_silences(request: Request) -> list[Silence]:
    """The silences in force or to come that touch an area of the inspector."""
    identity = require_inspector(request)
    with translate_database_errors():
        silences = await case_store(request).list_silences()
    return [silence for silence in silences if touches_own_area(identity, silence.match)]


async def get_silence(request: Request, number: int) -> Silence:
    """One silence, also if it has ended."""
    identity = require_inspector(request)
    with translate_database_errors():
        silence = await case_store(request).get_silence(number)
    if silence is None or not touches_own_area(identity, silence.match):
        raise HTTPException(404, f"no silence {number} touches an area of yours")
    return silence


async def find_silences_set_aside(request: Request) -> Mapping[int, str]:
    """The silences that alerting does not apply, each with the reason."""
    require_inspector(request)
    with translate_database_errors():
        return await case_store(request).find_silences_set_aside()


async def build_silence_request(  # noqa: PLR0917 - the fields of a form
    area: str | None, match: Sequence[str], reason: str, starts_at: datetime | None, ends_at: datetime, kind: str
) -> SilenceRequest:
    """A silence in that area (None: everywhere); raises HTTPException 400 with the cause.

    In a thread, because to compile twenty patterns takes up to 200 ms.
    """
    return await asyncio.to_thread(_check_silence_request, area, match, reason, starts_at, ends_at, kind)


def _check_silence_request(  # noqa: PLR0917 - as above
    area: str | None, match: Sequence[str], reason: str, starts_at: datetime | None, ends_at: datetime, kind: str
) -> SilenceRequest:
    now = datetime.now(UTC)
    try:
        area_matchers = [] if area is None else [f'area="{area}"']
        silence_request = SilenceRequest(
            match=tuple(dict.fromkeys([*area_matchers, *match])),
            reason=to_single_line(reason),
            starts_at=starts_at or now,
            ends_at=ends_at,
            kind="maintenance" if kind == "maintenance" else "silence",
        )
    except AlertingError as error:
        raise HTTPException(400, str(error)) from None
    if silence_request.ends_at <= now:
        raise HTTPException(400, "endsAt: this time has passed already")
    return silence_request


async def preview_silence(request: Request, silence_request: SilenceRequest) -> list[Case]:
    """The open events in the inspector's areas that it would silence; raises HTTPException 400 if that takes long."""
    cases = await list_cases(request)
    try:
        return await asyncio.to_thread(find_silenced_cases, silence_request, cases)
    except AlertingError as error:
        raise HTTPException(400, str(error)) from None


async def create_silence(request: Request, silence_request: SilenceRequest) -> Silence:
    """Create a silence; the inspector needs the right to every area that it touches."""
    with translate_database_errors():
        for area in _required_areas(silence_request):
            identity = await require_scope(
                request, _SCOPE, f"{silence_request.kind} {', '.join(silence_request.match)}", area
            )
        return await case_store(request).add_silence(silence_request, author_name(identity))


async def end_silence(request: Request, number: int) -> None:
    """End a silence now; raises HTTPException 404 if it has ended already."""
    silence = await get_silence(request, number)
    with translate_database_errors():
        for area in _required_areas(silence):
            identity = await require_scope(request, _SCOPE, f"end silence {number}", area)
        if not await case_store(request).end_silence(number, author_name(identity)):
            raise HTTPException(404, f"silence {number} has ended already")


def can_end(identity: Identity, silence: Silence) -> bool:
    """Whether this inspector may end it."""
    return all(decide_access(identity, _SCOPE, area) is AccessDecision.ALLOWED for area in _required_areas(silence))


def author_name(identity: Identity) -> str:
    """The name in the record: the account, with the key's id if a program acted for it."""
    return identity.name if identity.key_id is None else f"{identity.name}/{identity.key_id}"


def touches_own_area(identity: Identity, match: Sequence[str]) -> bool:
    """Whether a rule with these matchers may concern an area of the inspector."""
    areas = areas_from_matchers(match)
    return EVERY_AREA in identity.areas or not areas or bool(areas & identity.areas)


def _required_areas(silence: Silence | SilenceRequest) -> list[str | None]:
    """The areas that the inspector needs a right to; None: every area."""
    return [*sorted(areas_from_matchers(silence.match))] or [None]


def readable_areas(identity: Identity) -> list[str] | None:
    """The areas that the inspector may read; None: every area."""
    return None if EVERY_AREA in identity.areas else sorted(identity.areas)


def to_single_line(text: str) -> str:
    """The text as one printable line of at most 1,000 characters, for mails and records."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_MAX_NOTE_LENGTH]


def case_store(request: Request) -> CaseStore:
    """The records of alerting."""
    store: CaseStore = request.app.state.case_store
    return store


@contextmanager
def translate_database_errors() -> Iterator[None]:
    """Raise HTTPException 400 for a value that the database refuses, and 503 if it does not answer."""
    try:
        yield
    except psycopg.DataError as error:
        raise HTTPException(400, f"a value that the database cannot take: {error.diag.message_primary}") from None
    except psycopg.Error:
        raise HTTPException(503, "the database does not answer; try again", {"Retry-After": "5"}) from None
