"""Work on a node by form and API: maintenance and replaced sensors."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi.responses import Response

from gateway.api.http import cursor
from gateway.api.http.openapi import describe_body
from gateway.api.http.parameters import ItemId
from gateway.api.http.problems import reject_unknown_parameters
from gateway.api.operator import service
from gateway.api.operator.form_fields import FormText, LocalTime, Revision, parse_local
from gateway.api.operator.page_frame import answer_page, redirect
from gateway.api.operator.routes import SECURITY, describe, parse_number, read_body, respond_json
from gateway.api.pages.renderer import ViewDependency
from gateway.api.schemas import operator as schemas
from gateway.model.timestamps import format_instant
from gateway.operator import node_work

page_router = APIRouter()
api_router = APIRouter(prefix="/operator", dependencies=[Depends(reject_unknown_parameters)], tags=["operator"])


@page_router.post("/operator/nodes/{id}/maintenance")
async def add_window(  # noqa: PLR0917 - the fields of a form
    view: ViewDependency,
    id_: ItemId,
    hours: Annotated[int, Form(ge=1, le=744)],
    reason: FormText,
    revision: Revision,
    start: LocalTime = "",
    properties: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Announce maintenance of so many hours, from a local time or from now on; of some properties or of all."""

    async def make() -> Response:
        starts_at = parse_local("start", start) if start.strip() else None
        length = timedelta(hours=hours)
        await announce(
            view.request,
            id_,
            starts_at,
            length,
            reason=reason,
            properties=(properties or [])[:100],
            revision=revision,
        )
        return redirect(view, f"operator/nodes/{id_}#work")

    return await answer_page(view, make, back=f"operator/nodes/{id_}")


@page_router.post("/operator/maintenance/{number}/end")
async def end_window(view: ViewDependency, number: int) -> Response:
    """End maintenance now."""

    async def make() -> Response:
        window = await end_maintenance(view.request, number)
        return redirect(view, f"operator/nodes/{window.node}#work")

    return await answer_page(view, make)


@page_router.post("/operator/nodes/{id}/sensor")
async def replace_sensor(  # noqa: PLR0917 - the fields of a form
    view: ViewDependency,
    id_: ItemId,
    properties: Annotated[list[str], Form()],
    model: FormText,
    reason: FormText,
    revision: Revision,
    serial: FormText = "",
    at: LocalTime = "",
) -> Response:
    """Record another instrument."""

    async def make() -> Response:
        change = node_work.SensorChange(
            node=id_,
            properties=properties[:100],
            changed_at=parse_local("at", at) if at.strip() else view.now,
            model=model,
            serial=serial.strip() or None,
            reason=reason,
        )
        await record_change(view.request, change, revision)
        return redirect(view, f"operator/nodes/{id_}#work")

    return await answer_page(view, make, back=f"operator/nodes/{id_}")


@api_router.post("/nodes/{id}/maintenance", summary="Announce maintenance: readings are flagged", status_code=201,
                 responses=describe(schemas.AnnouncedMaintenance, 201),
                 openapi_extra={**SECURITY, **describe_body(schemas.NewMaintenance)})  # fmt: skip
async def create_window(request: Request, id_: ItemId) -> Response:
    """From `startsAt` on, or from the next minute."""
    body = await read_body(request, schemas.NewMaintenance, "maintain", f"node {id_}")
    start, end = cursor.parse_instant("startsAt", body.starts_at), cursor.parse_instant("endsAt", body.ends_at)
    if end is None:
        raise HTTPException(400, "endsAt: the end is missing")
    window = await announce(
        request, id_, start, end, reason=body.reason, properties=body.properties, revision=body.revision
    )
    return respond_json(_build_window(window), 201)


@api_router.delete("/maintenance/{id}", summary="End maintenance now; it stays on record", status_code=200,
                   responses=describe(schemas.AnnouncedMaintenance), openapi_extra=SECURITY)  # fmt: skip
async def delete_window(request: Request, id_: ItemId) -> Response:
    """The end is brought forward."""
    return respond_json(_build_window(await end_maintenance(request, parse_number(id_))))


@api_router.post("/nodes/{id}/sensor-changes", summary="Record another instrument", status_code=201,
                 responses=describe(schemas.SensorChangeResult, 201),
                 openapi_extra={**SECURITY, **describe_body(schemas.NewSensorChange)})  # fmt: skip
async def create_change(request: Request, id_: ItemId) -> Response:
    """Ends the calibrations of the former instrument."""
    body = await read_body(request, schemas.NewSensorChange, "replace-sensor", f"node {id_}")
    at = cursor.parse_instant("changedAt", body.changed_at)
    if at is None:
        raise HTTPException(400, "changedAt: the time is missing")
    change = node_work.SensorChange(
        node=id_, properties=body.properties, changed_at=at, model=body.model, serial=body.serial, reason=body.reason
    )
    return respond_json(schemas.SensorChangeResult(ended=await record_change(request, change, body.revision)), 201)


async def announce(
    request: Request,
    node: str,
    starts_at: datetime | None,
    until: datetime | timedelta,
    *,
    reason: str,
    properties: Sequence[str],
    revision: int | None,
) -> node_work.MaintenanceWindow:
    """Announce maintenance until a moment, or for a length of time."""
    ends_at = until if isinstance(until, datetime) else (starts_at or node_work.next_minute()) + until
    return await service.act(
        request,
        "maintain",
        f"node {node}",
        lambda connection, actor: node_work.add_window(
            connection, actor, node, starts_at, ends_at, reason=reason, properties=properties, revision=revision
        ),
    )


async def end_maintenance(request: Request, number: int) -> node_work.MaintenanceWindow:
    """End a window now."""
    return await service.act(
        request,
        "end-maintenance",
        f"maintenance {number}",
        lambda connection, actor: node_work.end_window(connection, actor, number),
    )


async def record_change(request: Request, change: node_work.SensorChange, revision: int | None) -> list[str]:
    """Record another instrument; return the labels of the calibrations that end."""
    return await service.act(
        request,
        "replace-sensor",
        f"node {change.node}",
        lambda connection, actor: node_work.replace_sensor(connection, actor, change, revision),
    )


def _build_window(window: node_work.MaintenanceWindow) -> schemas.AnnouncedMaintenance:
    return schemas.AnnouncedMaintenance(
        id=window.id,
        node=window.node,
        starts_at=format_instant(window.starts_at),
        ends_at=format_instant(window.ends_at),
        reason=window.reason,
        properties=list(window.properties),
    )
