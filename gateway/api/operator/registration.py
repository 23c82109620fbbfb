"""Certificate, configuration and end of a node, by form and API: renew, configure, revoke.

Each page of a form first states what will happen; only its button acts. Without the authority on this machine a node is
revoked in the registry, and the page names the command that puts its certificates on the revocation list.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response

from gateway.api.http.openapi import describe_body
from gateway.api.http.parameters import ItemId
from gateway.api.http.problems import reject_unknown_parameters
from gateway.api.operator import service
from gateway.api.operator.form_fields import Revision
from gateway.api.operator.page_frame import answer_page, redirect, render_page
from gateway.api.operator.routes import SECURITY, describe, read_body, respond_json
from gateway.api.pages.renderer import View, ViewDependency
from gateway.api.schemas import registration as schemas
from gateway.operator import node_registration
from gateway.operator.actor import Actor
from gateway.operator.errors import OperatorError, RefusalKind
from gateway.operator.node_registration import CertificateRenewal, Revocation
from gateway.operator.tools import OperatorTools

page_router = APIRouter()
api_router = APIRouter(prefix="/operator", dependencies=[Depends(reject_unknown_parameters)], tags=["operator"])
Configuration = Annotated[str, Form(max_length=60_000)]


@page_router.get("/operator/nodes/{id}/renew")
async def confirm_renewal(view: ViewDependency, id_: ItemId) -> Response:
    """Show what a new certificate means, and the button."""
    return await _show_confirmation(view, id_, "renew")


@page_router.post("/operator/nodes/{id}/renew")
async def renew_node(view: ViewDependency, id_: ItemId, revision: Revision) -> Response:
    """Issue a new certificate and have it sent."""

    async def make() -> Response:
        await renew(view.request, id_, revision)
        return redirect(view, f"operator/nodes/{id_}?notice=renewed#main")

    return await answer_page(view, make, back=f"operator/nodes/{id_}")


@page_router.get("/operator/nodes/{id}/revoke")
async def confirm_revocation(view: ViewDependency, id_: ItemId) -> Response:
    """Show what a revocation means, and the button."""
    return await _show_confirmation(view, id_, "revoke")


@page_router.post("/operator/nodes/{id}/revoke")
async def revoke_node(view: ViewDependency, id_: ItemId, revision: Revision) -> Response:
    """Revoke the node."""

    async def make() -> Response:
        revocation = await revoke(view.request, id_, revision)
        notice = "revoked" if revocation.certificates is None else "revoked-listed"
        return redirect(view, f"operator/nodes/{id_}?notice={notice}#main")

    return await answer_page(view, make, back=f"operator/nodes/{id_}")


@page_router.get("/operator/nodes/{id}/configure")
async def show_configuration(view: ViewDependency, id_: ItemId) -> Response:
    """The newest configuration, to change it."""

    async def make() -> Response:
        node = await service.read_node(view.request, id_)
        newest = await service.read(
            view.request, lambda connection, actor: node_registration.load_configuration(connection, actor, id_)
        )
        toml = "" if newest is None else newest.toml
        return render_page(view, "configure.html", node=node, newest=newest, toml=toml, is_checked=False)

    return await answer_page(view, make, back=f"operator/nodes/{id_}")


@page_router.post("/operator/nodes/{id}/configure")
async def send_configuration(
    view: ViewDependency,
    id_: ItemId,
    configuration: Configuration,
    revision: Revision,
    confirmed: Annotated[bool, Form()] = False,  # noqa: FBT002 - a hidden field of the form
) -> Response:
    """Check a configuration and show it again; with `confirmed` have it sent."""
    toml = configuration.replace("\r\n", "\n")

    async def make() -> Response:
        if confirmed:
            await configure(view.request, id_, toml, revision)
            return redirect(view, f"operator/nodes/{id_}?notice=configured#main")
        await service.require_right_to_act(view.request, "configure", f"node {id_}")
        try:
            _check_configuration(service.tools_of(view.request), toml)
        except OperatorError as error:
            raise service.RefusedActError(error) from None
        node = await service.read_node(view.request, id_)
        return render_page(view, "configure.html", node=node, newest=None, toml=toml, is_checked=True)

    return await answer_page(view, make, back=f"operator/nodes/{id_}/configure")


@api_router.post("/nodes/{id}/certificates", summary="Issue a new certificate; the gateway sends it", status_code=201,
                 responses=describe(schemas.RenewedCertificate, 201),
                 openapi_extra={**SECURITY, **describe_body(schemas.NodeChange)})  # fmt: skip
async def create_certificate(request: Request, id_: ItemId) -> Response:
    """For the same TLS key; the node tries it first. 404 if the authority is on another machine."""
    body = await read_body(request, schemas.NodeChange, "renew", f"node {id_}")
    renewal = await renew(request, id_, body.revision)
    return respond_json(
        schemas.RenewedCertificate(certificate=renewal.certificate.decode(), version=renewal.version), 201
    )


@api_router.post("/nodes/{id}/configurations", summary="Send sensors and batching to a node", status_code=201,
                 responses=describe(schemas.SentConfiguration, 201),
                 openapi_extra={**SECURITY, **describe_body(schemas.NewConfiguration)})  # fmt: skip
async def create_configuration(request: Request, id_: ItemId) -> Response:
    """The node tries them for ten minutes before it accepts them."""
    body = await read_body(request, schemas.NewConfiguration, "configure", f"node {id_}")
    version = await configure(request, id_, body.toml, body.revision)
    return respond_json(schemas.SentConfiguration(version=version), 201)


@api_router.post("/nodes/{id}/revocation", summary="Revoke a node: its batches are rejected", status_code=201,
                 responses=describe(schemas.NodeRevocation, 201),
                 openapi_extra={**SECURITY, **describe_body(schemas.NodeChange)})  # fmt: skip
async def create_revocation(request: Request, id_: ItemId) -> Response:
    """`certificates`: how many came onto the revocation list; null: the list is on another machine."""
    body = await read_body(request, schemas.NodeChange, "revoke", f"node {id_}")
    revocation = await revoke(request, id_, body.revision)
    return respond_json(schemas.NodeRevocation(certificates=revocation.certificates), 201)


async def renew(request: Request, node: str, revision: int | None) -> CertificateRenewal:
    """Issue a new certificate in the name of the client. Raises RefusedActError."""
    issuer = service.tools_of(request).certificates
    return await service.act(
        request,
        "renew",
        f"node {node}",
        lambda connection, actor: node_registration.renew_certificate(connection, actor, node, issuer, revision),
    )


async def revoke(request: Request, node: str, revision: int | None) -> Revocation:
    """Revoke a node in the name of the client. Raises RefusedActError."""
    issuer = service.tools_of(request).certificates
    return await service.act(
        request,
        "revoke",
        f"node {node}",
        lambda connection, actor: node_registration.revoke_node(connection, actor, node, issuer, revision),
    )


async def configure(request: Request, node: str, toml: str, revision: int | None) -> int:
    """Have a configuration sent in the name of the client; return its version. Raises RefusedActError."""
    tools = service.tools_of(request)

    def work(connection: service.Connection, actor: Actor) -> int:
        _check_configuration(tools, toml)
        return node_registration.configure_node(connection, actor, node, toml, revision)

    return await service.act(request, "configure", f"node {node}", work)


def _check_configuration(tools: OperatorTools, toml: str) -> None:
    node_registration.check_length(toml)
    if tools.check_configuration is None:
        raise OperatorError(RefusalKind.UNAVAILABLE, "no_check")
    tools.check_configuration(toml)


async def _show_confirmation(view: View, node_id: str, act: str) -> Response:
    async def make() -> Response:
        node = await service.read_node(view.request, node_id)
        has_authority = service.tools_of(view.request).certificates is not None
        return render_page(view, "confirm.html", node=node, act=act, has_authority=has_authority)

    return await answer_page(view, make, back=f"operator/nodes/{node_id}")
