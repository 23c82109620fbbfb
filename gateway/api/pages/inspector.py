"""`/inspector/events/{id}`: one alert, such as one about the network.

An alert of a plume has the page of its plume.
"""

from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import Response

from gateway.api.http.parameters import ItemId
from gateway.api.inspector import service
from gateway.api.pages.inspector_page import redirect, render_page, render_problems, send_dossier
from gateway.api.pages.inspector_silence import SILENCE_HOURS, list_silence_choices
from gateway.api.pages.renderer import ViewDependency

router = APIRouter()


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
            choices=list(list_silence_choices(case)),
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
