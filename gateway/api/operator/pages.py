"""`/operator`: the fleet, one page per node, the quarantine, guests, storage, checks and the audit log.

Plain pages and forms, so that they work without JavaScript and on a telephone. The work is in `gateway.operator`.
"""

from typing import Annotated

from fastapi import APIRouter, Form, Query
from fastapi.responses import Response

from gateway.access.identity import Scope
from gateway.adapters.formats import FORMATS
from gateway.api.data.log_heads import LogHeads
from gateway.api.http.parameters import ItemId
from gateway.api.operator import service
from gateway.api.operator.enrolment import read_label
from gateway.api.operator.page_frame import answer_page, redirect, render_page
from gateway.api.pages.renderer import ViewDependency
from gateway.decoding.rejection import RejectionReason
from gateway.operator import audit, guests, quarantine

router = APIRouter()
_MAX_PAYLOADS, _MAX_ACTS, _NODE_ACTS = 100, 200, 20


@router.get("/operator")
async def show_fleet(view: ViewDependency, only: Annotated[str, Query(max_length=20)] = "") -> Response:
    """Every node of the operator's areas; `only=problems`: those with a problem."""

    async def make() -> Response:
        nodes = await service.read_fleet(view.request)
        with_problems = [node for node in nodes if node.remarks and node.row.revoked_at is None]
        shown = with_problems if only == "problems" else sorted(nodes, key=lambda node: not node.remarks)
        return render_page(view, "fleet.html", nodes=shown, total=len(nodes), sick=len(with_problems), only=only)

    return await answer_page(view, make)


@router.get("/operator/nodes/{id}")
async def show_node(view: ViewDependency, id_: ItemId, notice: Annotated[str, Query(max_length=40)] = "") -> Response:
    """One node: what it reports, its sensors, and what operators did with it. `notice`: what was just done."""

    async def make() -> Response:
        node = await service.read_node(view.request, id_)
        acts = await service.read(
            view.request, lambda connection, actor: audit.list_acts(connection, actor, _NODE_ACTS, id_)
        )
        work = await service.read_work(view.request, id_)
        stations = sorted((row.name, row.id) for row in view.latest_values.registry.stations.values())
        label = await read_label(view, id_)
        return render_page(
            view, "node.html", node=node, acts=acts, work=work, stations=stations, notice=notice, label=label
        )

    return await answer_page(view, make)


@router.get("/operator/quarantine")
async def show_quarantine(view: ViewDependency, reason: Annotated[str, Query(max_length=40)] = "") -> Response:
    """The newest rejected payloads, and how many there are by reason."""

    async def make() -> Response:
        chosen = reason if reason in set(RejectionReason) else None
        payloads = await service.read(
            view.request,
            lambda connection, actor: quarantine.list_payloads(connection, actor, _MAX_PAYLOADS, reason=chosen),
            Scope.READ_QUARANTINE,
        )
        counts = await service.read(view.request, quarantine.count_reasons, Scope.READ_QUARANTINE)
        return render_page(view, "quarantine.html", payloads=payloads, counts=counts, reason=chosen)

    return await answer_page(view, make)


@router.get("/operator/quarantine/{number}")
async def show_payload(view: ViewDependency, number: int) -> Response:
    """One rejected payload as it was received."""

    async def make() -> Response:
        payload = await service.read(
            view.request,
            lambda connection, actor: quarantine.get_payload(connection, actor, number),
            Scope.READ_QUARANTINE,
        )
        return render_page(view, "payload.html", payload=payload)

    return await answer_page(view, make, back="operator/quarantine")


@router.post("/operator/quarantine/{number}/retry")
async def retry_payload(view: ViewDependency, number: int) -> Response:
    """Let the gateway decode one payload again."""

    async def make() -> Response:
        await service.retry_payloads(view.request, [number])
        return redirect(view, f"operator/quarantine/{number}")

    return await answer_page(view, make, back="operator/quarantine")


@router.post("/operator/quarantine/retry")
async def retry_reason(view: ViewDependency, reason: Annotated[RejectionReason, Form()]) -> Response:
    """Let the gateway decode all payloads of one reason again."""

    async def make() -> Response:
        await service.retry_reason(view.request, reason)
        return redirect(view, f"operator/quarantine?reason={reason.value}")

    return await answer_page(view, make, back="operator/quarantine")


@router.get("/operator/storage")
async def show_storage(view: ViewDependency) -> Response:
    """Size and growth of the database, free space, and what is deleted when."""

    async def make() -> Response:
        return render_page(view, "storage.html", storage=await service.read_storage(view.request))

    return await answer_page(view, make)


@router.get("/operator/checks")
async def show_checks(view: ViewDependency) -> Response:
    """The findings of `piekwacht doctor`, the heads of the public logs, and the certificates of the nodes."""

    async def make() -> Response:
        log_heads: LogHeads = view.request.app.state.log_heads
        nodes = await service.read_fleet(view.request)
        certificates = sorted(
            (node for node in nodes if node.facts.certificate_until is not None and node.row.revoked_at is None),
            key=lambda node: str(node.facts.certificate_until),
        )
        return render_page(
            view,
            "checks.html",
            results=await service.examine(view.request),
            heads=log_heads.read(view.latest_values.registry.areas),
            certificates=certificates,
        )

    return await answer_page(view, make)


@router.get("/operator/guests")
async def show_guests(view: ViewDependency) -> Response:
    """Sensors of others, with their owners and what the owners agreed to."""

    async def make() -> Response:
        listed = await service.read(view.request, guests.list_guests)
        actor = service.require_operator(view.request)
        areas = [area for area in view.registry.areas.values() if actor.includes(area.id)]
        return render_page(view, "guests.html", guests=listed, areas=areas, formats=FORMATS)

    return await answer_page(view, make)


@router.get("/operator/audit")
async def show_audit(view: ViewDependency) -> Response:
    """The audit log, with the fields that each act changed."""

    async def make() -> Response:
        acts = await service.read(view.request, lambda connection, actor: audit.list_acts(connection, actor, _MAX_ACTS))
        return render_page(view, "audit.html", acts=acts, limit=_MAX_ACTS)

    return await answer_page(view, make)
