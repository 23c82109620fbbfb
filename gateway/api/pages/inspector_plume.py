"""`/inspector/plumes/{id}`: one plume with everything to decide, and the buttons that answer it as a whole.

Plain forms, so that it works without JavaScript and with one thumb. A form carries what the inspector saw of the plume,
and a judgement is refused with one sentence if the plume is a different one by then.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Query
from fastapi.responses import Response

from alerting.decide.false_alarm import FalseAlarmCause
from alerting.vocabulary import LOCAL_TIMEZONE
from gateway.api.http.parameters import ItemId
from gateway.api.inspector import plume_service, service
from gateway.api.inspector.plume_service import InspectedPlume, SourceForm
from gateway.api.pages.inspector_chronology import build_inspector_chronology, list_deliveries
from gateway.api.pages.inspector_page import redirect, render_page, render_problems, send_dossier
from gateway.api.pages.inspector_plume_texts import AnswerState, describe_notice, describe_state, find_state
from gateway.api.pages.inspector_silence import SILENCE_HOURS, list_silence_choices
from gateway.api.pages.plumes import build_plume_values
from gateway.api.pages.renderer import View, ViewDependency
from gateway.model.geodesy import bearing_and_distance

router = APIRouter()
_NEIGHBOUR_COUNT = 3
_SOURCE_DAYS = 90  # proposed last day of a known source
NoteField = Annotated[str, Form(max_length=1_000)]
SeenField = Annotated[str, Form(max_length=500)]


@router.get("/inspector/plumes/{id}")
async def show_plume(view: ViewDependency, id_: ItemId, notice: Annotated[str, Query(max_length=40)] = "") -> Response:
    """One plume. `notice`: what the inspector just did, or why it was not done."""

    async def make() -> Response:
        inspected = await plume_service.inspect_plume(view.request, id_)
        return await _render(view, inspected, notice)

    return await render_problems(view, make)


async def _render(view: View, inspected: InspectedPlume, notice: str) -> Response:
    plume, case, answers = inspected.plume, inspected.case, inspected.answers
    values = await build_plume_values(view, plume, _find_neighbours(view, inspected))
    leading, state = plume.events[0], find_state(inspected)
    return render_page(
        view,
        "inspector_plume.html",
        inspected=inspected,
        case=case,
        answers=answers,
        seen=inspected.seen,
        state=state,
        state_text=describe_state(view, inspected),
        is_answered=state is not AnswerState.NEW,
        notice=describe_notice(view, inspected, notice),
        causes=list(FalseAlarmCause),
        suggested_until=(view.now.astimezone(LOCAL_TIMEZONE).date() + timedelta(days=_SOURCE_DAYS)).isoformat(),
        suggested_level=f"{abs(leading.excess) * 2:.3g}",
        upwind_name=next((site.name for site in values["event"].around.upwind), ""),  # type: ignore[attr-defined]
        zaak_receivers=[name for name, _ in plume_service.list_zaak_receivers(view.request)],
        deliveries=list_deliveries(view, case),
        inspector_chronology=build_inspector_chronology(view, inspected),
        hours=SILENCE_HOURS,
        silence_choices=[] if case is None else list(list_silence_choices(case.cases[0])),
        silence_event=None if case is None else case.alert.event_id,
        offers_dossier=service.offers_dossiers(view.request),
        **values,  # type: ignore[arg-type]
    )


def _find_neighbours(view: View, inspected: InspectedPlume) -> list[str]:
    """The stations nearest to the leading one that are not in the plume."""
    stations, leading = view.registry.stations, inspected.plume.events[0].station
    here = stations.get(leading)
    if here is None:
        return []
    reached = {station.id for station in inspected.plume.stations}
    others = [other for other in stations.values() if other.area == here.area and other.id not in reached]
    others.sort(key=lambda o: bearing_and_distance(here.latitude, here.longitude, o.latitude, o.longitude)[1])
    return [other.id for other in others[:_NEIGHBOUR_COUNT]]


@router.post("/inspector/plumes/{id}/acknowledge")
async def acknowledge_plume(view: ViewDependency, id_: ItemId, note: NoteField = "") -> Response:
    """Acknowledge the plume."""

    async def act() -> str:
        earlier = await plume_service.acknowledge(view.request, id_, note)
        return "acknowledged" if earlier is None else "acknowledged-before"

    return await _answer(view, id_, act)


@router.post("/inspector/plumes/{id}/false-alarm")
async def state_false_alarm(
    view: ViewDependency, id_: ItemId, cause: SeenField, seen: SeenField, note: NoteField = ""
) -> Response:
    """State that it was a false alarm."""

    async def act() -> str:
        earlier = await plume_service.state_false_alarm(view.request, id_, cause, note, seen)
        return "false-alarm" if earlier is None else "false-alarm-before"

    return await _answer(view, id_, act)


@router.post("/inspector/plumes/{id}/false-alarm/withdraw")
async def withdraw_false_alarm(view: ViewDependency, id_: ItemId) -> Response:
    """Withdraw the false alarm."""

    async def act() -> str:
        await plume_service.withdraw_false_alarm(view.request, id_)
        return "withdrawn"

    return await _answer(view, id_, act)


@router.post("/inspector/plumes/{id}/known-source")
async def name_source(  # noqa: PLR0917 - the fields of a form
    view: ViewDependency,
    id_: ItemId,
    name: NoteField,
    legal_basis: NoteField,
    until: Annotated[str, Form(max_length=20)],
    level: Annotated[str, Form(max_length=20)],
    seen: SeenField,
    scope: Annotated[str, Form(max_length=10)] = "station",
) -> Response:
    """Name the permitted source."""

    async def act() -> str:
        form = SourceForm(name=name, legal_basis=legal_basis, until=until, level=level, scope=scope)
        earlier = await plume_service.name_source(view.request, id_, form, seen)
        return "known-source" if earlier is None else "known-source-before"

    return await _answer(view, id_, act)


@router.post("/inspector/known-sources/{number}/end")
async def end_source(view: ViewDependency, number: int) -> Response:
    """End a named source."""

    async def make() -> Response:
        plume = await plume_service.end_source(view.request, number)
        return redirect(view, f"inspector/plumes/{plume}?notice=source-ended#main")

    return await render_problems(view, make)


@router.post("/inspector/plumes/{id}/zaak")
async def request_zaak(view: ViewDependency, id_: ItemId, receiver: Annotated[str, Form(max_length=63)]) -> Response:
    """Have a zaak opened."""

    async def act() -> str:
        queued = await plume_service.request_zaak(view.request, id_, receiver)
        return "zaak" if queued else "zaak-before"

    return await _answer(view, id_, act)


@router.post("/inspector/plumes/{id}/notes")
async def add_note(view: ViewDependency, id_: ItemId, text: NoteField) -> Response:
    """Add a note."""

    async def act() -> str:
        await plume_service.add_note(view.request, id_, text)
        return "noted"

    return await _answer(view, id_, act)


@router.post("/inspector/plumes/{id}/dossier")
async def make_dossier(view: ViewDependency, id_: ItemId) -> Response:
    """Make the dossier of the leading event."""

    async def make() -> Response:
        plume = await plume_service.get_plume(view.request, id_)
        return await send_dossier(view, plume.leading)

    return await render_problems(view, make)


async def _answer(view: View, id_: str, act: Callable[[], Awaitable[str]]) -> Response:
    """Do it, and show the plume with what was done."""

    async def make() -> Response:
        return redirect(view, f"inspector/plumes/{id_}?notice={await act()}#main")

    return await render_problems(view, make)
