"""Guests on the operator's pages and in the API: enrol one, give it a new token, revoke it.

A token is in the answer and nowhere else. An operator who loses it makes a new one. The list is in
`gateway.api.operator.pages`.
"""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi.responses import Response
from msgspec import Struct, structs

from gateway.api.http.openapi import describe_body
from gateway.api.http.parameters import ItemId
from gateway.api.http.problems import reject_unknown_parameters
from gateway.api.operator import service
from gateway.api.operator.form_fields import FormText
from gateway.api.operator.page_frame import answer_page, redirect, render_page
from gateway.api.operator.routes import SECURITY, describe, read_body, respond_json
from gateway.api.pages.renderer import View, ViewDependency
from gateway.api.schemas import guest_enrolment as schemas
from gateway.operator import guests
from gateway.operator.guests import GuestOrder

page_router = APIRouter()
api_router = APIRouter(prefix="/operator", dependencies=[Depends(reject_unknown_parameters)], tags=["operator"])
_LIST = "operator/guests"
MappingText = Annotated[str, Form(max_length=20_000)]


class IssuedToken(Struct, frozen=True, kw_only=True):
    """A token of a guest, and the address to which it posts."""

    node: str
    token: str
    address: str


@page_router.post("/operator/guests")
async def enrol(  # noqa: PLR0917 - the fields of a form
    view: ViewDependency,
    node: FormText,
    area: FormText,
    name: FormText,
    place: FormText,
    format: FormText,  # noqa: A002 - the name of the field
    sender: FormText,
    owner: FormText,
    consent_on: FormText,
    consent_text: FormText,
    mapping: MappingText = "",
    topic: FormText = "",
    poll_url: FormText = "",
) -> Response:
    """Enrol a guest, and answer with a page that holds its token."""

    async def make() -> Response:
        latitude, longitude = _parse_place(place)
        order = GuestOrder(
            node=node.strip(),
            area=area,
            name=name,
            latitude=latitude,
            longitude=longitude,
            format=format,
            sender=sender,
            owner=owner,
            consent_on=_parse_date(consent_on),
            consent_text=consent_text,
            mapping=mapping.replace("\r\n", "\n").strip() or None,
            topic=topic.strip() or None,
            poll_url=poll_url.strip() or None,
        )
        return _show_token(view, await enrol_guest(view.request, order))

    return await answer_page(view, make, back=_LIST)


@page_router.get("/operator/guests/{id}")
async def show_guest(view: ViewDependency, id_: ItemId) -> Response:
    """A guest, with the buttons for a new token and for its revocation."""

    async def make() -> Response:
        listed = await service.read(view.request, guests.list_guests)
        guest = next((row for row in listed if row.node == id_), None)
        if guest is None:
            raise HTTPException(404, f"no guest {id_[:80]!r}")
        return render_page(view, "guest.html", guest=guest)

    return await answer_page(view, make, back=_LIST)


@page_router.post("/operator/guests/{id}/token")
async def rotate(view: ViewDependency, id_: ItemId) -> Response:
    """Give a guest a new token, and show it."""

    async def make() -> Response:
        return _show_token(view, await rotate_token(view.request, id_))

    return await answer_page(view, make, back=_LIST)


@page_router.post("/operator/guests/{id}/revocation")
async def revoke(view: ViewDependency, id_: ItemId) -> Response:
    """Refuse what the guest sends from now on."""

    async def make() -> Response:
        await revoke_guest(view.request, id_)
        return redirect(view, f"{_LIST}#main")

    return await answer_page(view, make, back=_LIST)


@api_router.post("/guests", summary="Enrol a sensor of somebody else; the answer has its token", status_code=201,
                 responses=describe(schemas.GuestToken, 201),
                 openapi_extra={**SECURITY, **describe_body(schemas.NewGuest)})  # fmt: skip
async def create_guest(request: Request) -> Response:
    """The token is stored hashed; a new one can be made."""
    body = await read_body(request, schemas.NewGuest, "enrol", "guest")
    fields = structs.asdict(body)
    return _send(await enrol_guest(request, GuestOrder(node=fields.pop("id"), **fields)))


@api_router.post("/guests/{id}/token", summary="Give a guest a new token; the former one is invalid", status_code=201,
                 responses=describe(schemas.GuestToken, 201), openapi_extra=SECURITY)  # fmt: skip
async def create_token(request: Request, id_: ItemId) -> Response:
    """Within five seconds on every server."""
    return _send(await rotate_token(request, id_))


@api_router.post("/guests/{id}/revocation", summary="Revoke a guest: its messages are refused", status_code=201,
                 responses=describe(schemas.GuestRevocation, 201), openapi_extra=SECURITY)  # fmt: skip
async def create_guest_revocation(request: Request, id_: ItemId) -> Response:
    """Its readings stay, its exact place is forgotten."""
    await revoke_guest(request, id_)
    return respond_json(schemas.GuestRevocation(id=id_), 201)


async def enrol_guest(request: Request, order: GuestOrder) -> IssuedToken:
    """Enrol a guest in the name of the client. Raises RefusedActError."""
    token = await service.act(
        request,
        "enrol",
        f"node {order.node[:80]}",
        lambda connection, actor: guests.add_guest(connection, actor, order),
    )
    return _issue(request, order.node, token)


async def rotate_token(request: Request, node: str) -> IssuedToken:
    """Give a guest a new token in the name of the client. Raises RefusedActError."""
    token = await service.act(
        request,
        "rotate-token",
        f"node {node[:80]}",
        lambda connection, actor: guests.rotate_token(connection, actor, node),
    )
    return _issue(request, node, token)


async def revoke_guest(request: Request, node: str) -> None:
    """Revoke a guest in the name of the client. Raises RefusedActError."""
    await service.act(
        request,
        "revoke",
        f"node {node[:80]}",
        lambda connection, actor: guests.revoke_guest(connection, actor, node),
    )


def _issue(request: Request, node: str, token: str) -> IssuedToken:
    root = request.app.state.settings.public_url.rstrip("/")
    return IssuedToken(node=node, token=token, address=f"{root}/api/v1/guests")


def _show_token(view: View, issued: IssuedToken) -> Response:
    return render_page(view, "guest_token.html", issued=issued)


def _send(issued: IssuedToken) -> Response:
    return respond_json(schemas.GuestToken(id=issued.node, token=issued.token, address=issued.address), 201)


def _parse_place(text: str) -> tuple[float, float]:
    try:
        latitude, longitude = (float(part) for part in text.replace(" ", "").split(","))
    except ValueError:
        raise HTTPException(400, f"place: {text[:40]!r} is none; write it as 52.4951, 4.5961") from None
    return latitude, longitude


def _parse_date(text: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise HTTPException(400, f"consent_on: {text[:40]!r} is no date; write it as 2026-11-29") from None
