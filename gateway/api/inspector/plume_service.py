"""Operations of inspectors on a plume as a whole, within their own areas: read, answer, note.

The pages and the API call it. Each change is authorized by `require_scope`, which writes the audit log. Functions raise
HTTPException as `service` does, and PlumeChangedError if the plume is no longer what the inspector saw.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime

from fastapi import FastAPI, HTTPException, Request
from msgspec import Struct

from alerting.alert import Severity
from alerting.decide.false_alarm import FalseAlarmCause
from alerting.errors import AlertingError
from alerting.record.plume_answers import (
    EarlierAnswer,
    KnownSourceRequest,
    NamedSource,
    PlumeAnswers,
    PlumeAnswerStore,
    SeenPlume,
    build_source_matchers,
)
from alerting.record.plume_cases import PlumeCase, group_cases
from alerting.record.workplace import WorkplaceStore
from alerting.settings import AlertingSettings
from alerting.vocabulary import LOCAL_TIMEZONE
from gateway.access.authorization import require_scope
from gateway.access.identity import AccessDecision, Identity, Scope, decide_access
from gateway.api.inspector import service
from gateway.api.inspector.duty import Duty
from gateway.api.routes import plumes
from gateway.api.schemas.plumes import Plume

_SCOPE = Scope.ANSWER_ALERTS


class InspectedPlume(Struct, frozen=True, kw_only=True):
    """A plume with its alerts and its answers. `case`: None while alerting has no alert of it."""

    plume: Plume
    case: PlumeCase | None
    answers: PlumeAnswers

    @property
    def seen(self) -> str:
        """The facts that a form of the page carries, to compare with the plume when the form comes back."""
        return encode_seen(self.plume)


class PlumeChangedError(HTTPException):
    """The plume changed after the page was shown; nothing was stored."""


def install(app: FastAPI, dsn: str, alerting: AlertingSettings | None) -> None:
    """Give the application its access to the answers, and to alerting's settings (None: they are not known here)."""
    app.state.plume_answers, app.state.alerting = PlumeAnswerStore(dsn), alerting
    app.state.workplace, app.state.duty = WorkplaceStore(dsn), None if alerting is None else Duty(alerting, dsn)


def encode_seen(plume: Plume) -> str:
    """The facts that a judgement depends on: severity, stations and state."""
    return ".".join([plume.severity, plume.state, *sorted(station.id for station in plume.stations)])[:500]


async def get_plume(request: Request, id_: str) -> Plume:
    """The plume; 404 if unknown, 403 if it lies in another's area."""
    identity = service.require_inspector(request)
    if "\0" in id_ or len(id_) > 100:
        raise HTTPException(404, "there is no such plume")
    plume = await plumes.fetch_plume(request, id_)
    if decide_access(identity, _SCOPE, plume.area) is not AccessDecision.ALLOWED:
        raise HTTPException(403, "this belongs to an area that is not yours")
    return plume


async def inspect_plume(request: Request, id_: str) -> InspectedPlume:
    """The plume with everything that alerting and inspectors know of it."""
    plume = await get_plume(request, id_)
    with service.translate_database_errors():
        cases = await service.case_store(request).list_plume_cases(id_)
        answers = await _answers(request).load(id_)
    grouped = group_cases(cases)
    return InspectedPlume(plume=plume, case=grouped[0] if grouped else None, answers=answers)


async def acknowledge(request: Request, id_: str, note: str) -> EarlierAnswer | None:
    """Acknowledge the plume; returns the earlier acknowledgement if a colleague was first.

    The note of the second inspector is stored as a note, so that nothing is lost.
    """
    plume, identity = await _authorize(request, id_, "acknowledge")
    author, text = service.author_name(identity), service.to_single_line(note)
    events = [event.id for event in plume.events if event.end is None] or [plume.leading]
    if plume.leading not in events:
        events.insert(0, plume.leading)
    with service.translate_database_errors():
        earlier = await _answers(request).acknowledge(id_, events, author, text)
        if earlier is not None and text:
            await _answers(request).add_note(id_, author, text)
    return earlier


async def state_false_alarm(
    request: Request, id_: str, cause: str, note: str, seen: str | None
) -> EarlierAnswer | None:
    """State that the plume was none, so that everybody who was notified gets a correction.

    `seen`: what the inspector saw of the plume, as `encode_seen` makes it; None: whatever it is now.
    """
    if cause not in set(FalseAlarmCause):
        raise HTTPException(400, f"cause: choose what caused the false alarm: {', '.join(FalseAlarmCause)}")
    plume = await get_plume(request, id_)
    _require_unchanged(plume, seen)
    plume, identity = await _authorize(request, id_, "false alarm")
    what = SeenPlume(stations=[station.id for station in plume.stations], severity=Severity(plume.severity))
    with service.translate_database_errors():
        return await _answers(request).state_false_alarm(
            id_, FalseAlarmCause(cause), service.to_single_line(note), service.author_name(identity), what
        )


async def withdraw_false_alarm(request: Request, id_: str) -> None:
    """Withdraw the false alarm; 404 if there is none."""
    _, identity = await _authorize(request, id_, "withdraw false alarm")
    with service.translate_database_errors():
        if not await _answers(request).withdraw_false_alarm(id_, service.author_name(identity)):
            raise HTTPException(404, "there is no false alarm to withdraw")


class SourceForm(Struct, frozen=True, kw_only=True):
    """The fields of the form of a known source, as they were filled in. `scope`: station or area."""

    name: str
    legal_basis: str
    until: str
    level: str
    scope: str


async def name_source(request: Request, id_: str, form: SourceForm, seen: str | None) -> EarlierAnswer | None:
    """Name a permitted source; its peaks below the level notify nobody until its last day. `seen`: as above."""
    plume = await get_plume(request, id_)
    source_request = build_source_request(plume, form, datetime.now(UTC))
    _require_unchanged(plume, seen)
    _, identity = await _authorize(request, id_, f"known source {source_request.name}")
    author = service.author_name(identity)
    with service.translate_database_errors():
        earlier = await _answers(request).name_source(id_, source_request, author)
        if earlier is None:
            text = f"{source_request.name} ({source_request.legal_basis})"
            await _answers(request).acknowledge(id_, [event.id for event in plume.events], author, text)
        return earlier


def build_source_request(plume: Plume, form: SourceForm, now: datetime) -> KnownSourceRequest:
    """Read the form; raises HTTPException 400 with one sentence."""
    leading, today = plume.events[0], now.astimezone(LOCAL_TIMEZONE).date()
    station = None if form.scope == "area" else leading.station
    match = build_source_matchers(plume.area, leading.observed_property, station)
    try:
        return KnownSourceRequest(
            name=service.to_single_line(form.name)[:120],
            match=match,
            legal_basis=service.to_single_line(form.legal_basis)[:200],
            until=_parse_date(form.until),
            level=_parse_level(form.level),
            today=today,
        )
    except AlertingError as error:
        raise HTTPException(400, str(error)) from None


async def end_source(request: Request, number: int) -> str:
    """End a named source now; returns the plume at which it was named. 404 if unknown or ended."""
    identity = service.require_inspector(request)
    with service.translate_database_errors():
        source = await _answers(request).get_source(number) if number < 1 << 62 else None
        if source is None:
            raise HTTPException(404, f"there is no known source {number}")
        plume = await get_plume(request, source.plume)
        identity = await require_scope(request, _SCOPE, f"end known source {number}", plume.area)
        if not await _answers(request).end_source(number, service.author_name(identity)):
            raise HTTPException(404, f"known source {number} has ended already")
    return source.plume


async def list_sources(request: Request) -> list[NamedSource]:
    """The named sources in force in the inspector's areas."""
    identity = service.require_inspector(request)
    with service.translate_database_errors():
        sources = await _answers(request).list_sources(datetime.now(LOCAL_TIMEZONE).date())
    return [source for source in sources if service.touches_own_area(identity, source.match)]


async def add_note(request: Request, id_: str, text: str) -> None:
    """Store a note about the plume; 400 without a text."""
    line = service.to_single_line(text)
    if not line:
        raise HTTPException(400, "note: write what you want to note")
    _, identity = await _authorize(request, id_, "note")
    with service.translate_database_errors():
        await _answers(request).add_note(id_, service.author_name(identity), line)


def list_zaak_receivers(request: Request) -> Sequence[tuple[str, str]]:
    """(receiver, channel) of every Zaken API in alerting's settings."""
    settings: AlertingSettings | None = request.app.state.alerting
    if settings is None:
        return []
    return [
        (receiver.name, channel)
        for receiver in settings.receiver
        for channel in receiver.channels
        if channel.startswith("zaken:")
    ]


async def request_zaak(request: Request, id_: str, receiver: str) -> bool:
    """Have a zaak opened for the leading event; False if there is one already, 404 without a Zaken API."""
    plume, identity = await _authorize(request, id_, f"zaak {receiver}")
    channel = dict(list_zaak_receivers(request)).get(receiver)
    if channel is None:
        raise HTTPException(404, "this receiver has no Zaken API")
    with service.translate_database_errors():
        return await _answers(request).request_zaak(plume.leading, receiver, channel, service.author_name(identity))


async def _authorize(request: Request, id_: str, action: str) -> tuple[Plume, Identity]:
    """The plume and who may change it; the audit log names the action, also if it is refused."""
    service.require_inspector(request)
    plume = await get_plume(request, id_)
    with service.translate_database_errors():
        identity = await require_scope(request, _SCOPE, f"{action} {id_}", plume.area)
    return plume, identity


def _require_unchanged(plume: Plume, seen: str | None) -> None:
    if seen is not None and seen != encode_seen(plume):
        raise PlumeChangedError(409, "the plume changed while you looked at it; nothing was stored")


def _parse_date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise HTTPException(400, "until: write the last day as year-month-day") from None


def _parse_level(text: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        raise HTTPException(400, "level: write a number") from None


def _answers(request: Request) -> PlumeAnswerStore:
    store: PlumeAnswerStore = request.app.state.plume_answers
    return store
