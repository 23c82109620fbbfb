"""`/inspector/events/{id}`: one alert, such as one about the network; and the forms that silence alerts.

An alert of a plume has the page of its plume.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Query, Request
from fastapi.responses import Response

from alerting.record.cases import Case, SilenceRequest
from gateway.api.http.parameters import ItemId
from gateway.api.inspector import service
from gateway.api.pages.inspector_page import redirect, render_page, render_problems, send_dossier
from gateway.api.pages.renderer import ViewDependency

router = APIRouter()
SILENCE_HOURS = (1, 4, 8, 24, 72, 168)


@router.get("/inspector/events/{id}")
async def show_alert(view: ViewDependency, id_: ItemId) -> Response:
    """The history of one alert, and the forms to acknowledge and silence it."""

    async def make() -> Response:
        case = await service.get_case(view.request, id_)
        return render_page(
            view,
            "inspector_event.html",
            case=case,
            plume=await service.get_plume_case(view.request, case),
            choices=list(_silence_choices(case)),
            hours=SILENCE_HOURS,
            offers_dossier=service.offers_dossiers(view.request) and not case.alert.is_about_network,
        )

    return await render_problems(view, make)


@router.post("/inspector/events/{id}/acknowledge")
async def acknowledge_event(
    view: ViewDependency,
    id_: ItemId,
    note: Annotated[str, Form(max_length=1_000)] = "",
) -> Response:
    """Acknowledge one event."""

    async def make() -> Response:
        await service.acknowledge(view.request, id_, note)
        return redirect(view, f"inspector/events/{id_}")

    return await render_problems(view, make)


@router.post("/inspector/events/{id}/dossier")
async def make_dossier(view: ViewDependency, id_: ItemId) -> Response:
    """Make the dossier of one event, and send it as a file."""

    async def make() -> Response:
        return await send_dossier(view, id_)

    return await render_problems(view, make)


@router.get("/inspector/silence")
async def show_preview(  # noqa: PLR0917 - the fields of a form
    view: ViewDependency,
    event: str,
    what: str,
    hours: Annotated[int, Query(ge=1, le=168)],
    reason: Annotated[str, Query(max_length=1_000)] = "",
    kind: str = "silence",
) -> Response:
    """The events that a silence would withhold; changes nothing."""

    async def make() -> Response:
        silence_request = await _build_silence_request(view.request, event, what, hours, reason or "-", kind)
        items = await service.preview_silence(view.request, silence_request)
        form_values = {"event": event, "what": what, "hours": hours, "reason": reason, "kind": kind}
        return render_page(
            view,
            "inspector_silence.html",
            silence_request=silence_request,
            items=items,
            form=form_values,
            reason_missing=not reason.strip(),
        )

    return await render_problems(view, make)


@router.post("/inspector/silences")
async def create_silence(  # noqa: PLR0917 - the fields of a form
    view: ViewDependency,
    event: Annotated[str, Form(max_length=100)],
    what: Annotated[str, Form(max_length=20)],
    hours: Annotated[int, Form(ge=1, le=168)],
    reason: Annotated[str, Form(max_length=1_000)],
    kind: Annotated[str, Form(max_length=20)] = "silence",
) -> Response:
    """Create the silence."""

    async def make() -> Response:
        await service.create_silence(
            view.request, await _build_silence_request(view.request, event, what, hours, reason, kind)
        )
        return redirect(view, "inspector/duty#silences")

    return await render_problems(view, make)


@router.post("/inspector/silences/{number}/end")
async def end_silence(view: ViewDependency, number: int) -> Response:
    """End a silence now."""

    async def make() -> Response:
        await service.end_silence(view.request, number)
        return redirect(view, "inspector/duty#silences")

    return await render_problems(view, make)


def _silence_choices(case: Case) -> dict[str, Sequence[str]]:
    """The choices of what to silence around one alert, each with its matchers besides the area."""
    alert = case.alert
    if alert.is_about_network:
        return {"network": [f'kind="{alert.kind}"']}
    station_matcher, property_matcher = f'station="{alert.station}"', f'property="{alert.observed_property}"'
    return {"station": [station_matcher], "property": [station_matcher, property_matcher], "area": [property_matcher]}


async def _build_silence_request(  # noqa: PLR0917 - the fields of a form
    request: Request, event: str, what: str, hours: int, reason: str, kind: str
) -> SilenceRequest:
    case = await service.get_case(request, event)
    matchers = _silence_choices(case).get(what)
    if matchers is None:
        raise HTTPException(400, f"what: {what[:20]!r} is nothing that can be silenced here")
    ends_at = datetime.now(UTC) + timedelta(hours=hours)
    return await service.build_silence_request(case.alert.area or None, matchers, reason, None, ends_at, kind)
