"""`/operator/enrol`: a form for a new node, and the archive for its card.

The archive holds the private keys. It is in the answer to the form and nowhere else: it is not stored, and no log has
it. The page of the answer also shows the label of the node as a QR code, which holds public facts only. An operator
who loses the archive fills in the form again, for new keys.
"""

from base64 import b64encode
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response
from markupsafe import Markup
from msgspec import Struct

from gateway.api.http.problems import reject_unknown_parameters
from gateway.api.operator import service
from gateway.api.operator.page_frame import answer_page, render_page
from gateway.api.operator.routes import SECURITY, describe, read_body
from gateway.api.pages.renderer import View, ViewDependency
from gateway.api.schemas import operator as schemas
from gateway.operator import node_label
from gateway.operator.actor import Actor
from gateway.operator.errors import OperatorError, RefusalKind
from gateway.operator.tools import CardArchive, CardChoices, CardMaker, CardPlan

_ARCHIVE = "application/zip"
page_router = APIRouter()
api_router = APIRouter(prefix="/operator", dependencies=[Depends(reject_unknown_parameters)], tags=["operator"])
_RESPONSES: dict[int | str, dict[str, Any]] = {
    **describe(schemas.OperatorNode, 201),
    201: {
        "description": "The archive, with the private keys of the node",
        "content": {_ARCHIVE: {"schema": {"type": "string", "format": "binary"}}},
    },
}
FormText = Annotated[str, Form(max_length=100)]


class ShownLabel(Struct, frozen=True, kw_only=True):
    """Enrolment facts of a node as text, and their QR code as SVG."""

    text: str
    image: Markup


@page_router.get("/operator/enrol")
async def show_form(view: ViewDependency) -> Response:
    """The form; without an authority on this machine the command that does the same."""

    async def make() -> Response:
        actor = service.require_operator(view.request)
        maker = service.tools_of(view.request).cards
        choices = None if maker is None else _own_choices(maker, actor)
        return render_page(view, "enrol.html", choices=choices, stations=_list_stations(view, actor))

    return await answer_page(view, make)


@page_router.post("/operator/enrol")
async def enrol(  # noqa: PLR0917 - the fields of a form
    view: ViewDependency,
    site: FormText,
    node: FormText,
    station: FormText,
    board: FormText,
    kit: FormText,
    replace: Annotated[bool, Form()] = False,  # noqa: FBT002 - a box of the form
) -> Response:
    """Enrol the node, and answer with a page that holds the archive and the label."""
    plan = CardPlan(site=site, node=node.strip(), station=station, board=board, kit=kit, replace=replace)

    async def make() -> Response:
        archive = await make_card(view.request, plan)
        label = await read_label(view, plan.node)
        address = f"data:{_ARCHIVE};base64,{b64encode(archive.content).decode()}"
        return render_page(view, "enrolled.html", plan=plan, archive=archive, address=address, label=label)

    return await answer_page(view, make, back="operator/enrol")


@api_router.post(
    "/nodes",
    summary="Enrol a node; the answer is the archive for its card",
    status_code=201,
    response_class=Response,
    responses=_RESPONSES,
    openapi_extra={
        **SECURITY,
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/NewNode"}}},
        },
    },
)
async def create_node(request: Request) -> Response:
    """The archive is stored nowhere; a second request with `replace` makes new keys."""
    body = await read_body(request, schemas.NewNode, "enrol", "node")
    plan = CardPlan(
        site=body.site, node=body.node, station=body.station, board=body.board, kit=body.kit, replace=body.replace
    )
    return _send(await make_card(request, plan))


async def make_card(request: Request, plan: CardPlan) -> CardArchive:
    """Enrol the node of this plan in the name of the client. Raises RefusedActError."""
    maker = service.tools_of(request).cards

    def work(connection: service.Connection, actor: Actor) -> CardArchive:
        if maker is None:
            raise OperatorError(RefusalKind.UNAVAILABLE, "no_authority")
        return maker.make(connection, actor, plan)

    return await service.act(request, "enrol", f"node {plan.node[:80]}", work)


async def read_label(view: View, node: str) -> ShownLabel:
    """The label of a node, with the address of this site."""
    label = await service.read(view.request, lambda connection, actor: node_label.load_label(connection, actor, node))
    text = label.describe(view.settings.public_url)
    return ShownLabel(text=text, image=Markup(node_label.draw_label(text, f"{label.node}: QR")))  # noqa: S704 - our SVG


def _own_choices(maker: CardMaker, actor: Actor) -> CardChoices:
    choices = maker.list_choices()
    own = [(name, title, area) for name, title, area in choices.sites if actor.includes(area)]
    return CardChoices(sites=own, boards=choices.boards, kits=choices.kits)


def _list_stations(view: View, actor: Actor) -> list[tuple[str, str]]:
    stations = view.latest_values.registry.stations.values()
    return sorted((station.name, station.id) for station in stations if actor.includes(station.area))


def _send(archive: CardArchive) -> Response:
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{archive.file_name}"',
        "X-Robots-Tag": "noindex",
    }
    return Response(archive.content, 201, headers, media_type=_ARCHIVE)
