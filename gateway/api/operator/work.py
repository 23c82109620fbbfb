"""Work on a node by form and API: maintenance, replaced sensors, and lines fitted beside a reference."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, HTTPException, Query, Request
from fastapi.responses import Response
from msgspec import structs

from alerting.vocabulary import LOCAL_TIMEZONE
from gateway.api.http import cursor
from gateway.api.http.openapi import describe_body
from gateway.api.http.parameters import ItemId
from gateway.api.http.problems import reject_unknown_parameters
from gateway.api.operator import service
from gateway.api.operator.page_frame import answer_page, redirect, render_page
from gateway.api.operator.routes import SECURITY, describe, parse_number, read_body, respond_json
from gateway.api.pages.renderer import ViewDependency
from gateway.api.schemas import operator as schemas
from gateway.model.timestamps import format_instant
from gateway.operator import calibration, node_work
from gateway.operator.calibration import Application, Collocation, FitPreview
from gateway.operator.errors import OperatorError
from gateway.quality.calibration import CalibrationVersion

page_router = APIRouter()
api_router = APIRouter(prefix="/operator", dependencies=[Depends(reject_unknown_parameters)], tags=["operator"])
FormText = Annotated[str, Form(max_length=500)]
Revision = Annotated[int, Form(ge=0)]
LocalTime = Annotated[str, Form(max_length=40)]


@page_router.post("/operator/nodes/{id}/maintenance")
async def add_window(  # noqa: PLR0917 - the fields of a form
    view: ViewDependency,
    id_: ItemId,
    hours: Annotated[int, Form(ge=1, le=744)],
    reason: FormText,
    revision: Revision,
    start: LocalTime = "",
) -> Response:
    """Announce maintenance of so many hours, from a local time or from now on."""

    async def make() -> Response:
        starts_at = parse_local("start", start) if start.strip() else None
        length = timedelta(hours=hours)
        await announce(view.request, id_, starts_at, length, reason=reason, revision=revision)
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


@page_router.get("/operator/nodes/{id}/fit")
async def show_fit(  # noqa: PLR0917 - the fields of a form
    view: ViewDependency,
    id_: ItemId,
    name: Annotated[str, Query(alias="property", max_length=100)],
    station: Annotated[str, Query(max_length=100)],
    start: Annotated[str, Query(max_length=40)],
    end: Annotated[str, Query(max_length=40)],
) -> Response:
    """The line beside a station of this network, and the form to apply it; changes nothing."""

    async def make() -> Response:
        collocation = build_collocation(id_, name, station, start, end)
        preview = await service.read(
            view.request, lambda connection, actor: calibration.preview_fit(connection, actor, collocation)
        )
        node = await service.read_node(view.request, id_)
        form = {"property": name, "station": station, "start": start, "end": end}
        return render_page(view, "fit.html", preview=preview, node=node, form=form)

    return await answer_page(view, make, back=f"operator/nodes/{id_}")


@page_router.post("/operator/nodes/{id}/calibration")
async def apply_fit(  # noqa: PLR0917 - the fields of a form
    view: ViewDependency,
    id_: ItemId,
    name: Annotated[str, Form(alias="property", max_length=100)],
    station: FormText,
    start: LocalTime,
    end: LocalTime,
    valid_from: LocalTime,
    model: FormText,
    author: FormText,
    revision: Revision,
    serial: FormText = "",
    confirmation: FormText = "",
) -> Response:
    """Apply the line from a moment on, as the next version of the calibration."""

    async def make() -> Response:
        collocation = build_collocation(id_, name, station, start, end)
        application = Application(
            valid_from=parse_local("valid_from", valid_from),
            sensor_model=model,
            serial=serial,
            author=author,
            confirmation=confirmation,
        )
        await add_fit(view.request, collocation, application, revision)
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
    window = await announce(request, id_, start, end, reason=body.reason, revision=body.revision)
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


@api_router.post("/nodes/{id}/fits", summary="Fit a line beside a reference; changes nothing",
                 responses=describe(schemas.Fit),
                 openapi_extra={**SECURITY, **describe_body(schemas.NewFit)})  # fmt: skip
async def create_fit(request: Request, id_: ItemId) -> Response:
    """`confirmation` has what must be sent to apply it, if it moves values by half."""
    body = await read_body(request, schemas.NewFit, "calibrate", f"node {id_}")
    collocation = _read_collocation(id_, body)
    preview = await service.act(
        request,
        "preview-fit",
        f"node {id_}",
        lambda connection, actor: calibration.record_preview(connection, actor, collocation),
    )
    return respond_json(_build_fit(preview))


@api_router.post("/nodes/{id}/calibrations", summary="Fit a line and apply it from a moment on", status_code=201,
                 responses=describe(schemas.AppliedFit, 201),
                 openapi_extra={**SECURITY, **describe_body(schemas.NewCalibration)})  # fmt: skip
async def create_calibration(request: Request, id_: ItemId) -> Response:
    """The next version of the calibration; every corrected value names it."""
    body = await read_body(request, schemas.NewCalibration, "calibrate", f"node {id_}")
    valid_from = cursor.parse_instant("validFrom", body.valid_from)
    if valid_from is None:
        raise HTTPException(400, "validFrom: the time is missing")
    application = Application(
        valid_from=valid_from,
        sensor_model=body.sensor_model,
        serial=body.serial,
        author=body.author,
        confirmation=body.confirmation,
    )
    added = await add_fit(request, _read_collocation(id_, body.fit), application, body.revision)
    return respond_json(
        schemas.AppliedFit(name=added.name, version=added.version, source=added.source, offset=added.offset,
                           slope=added.slope, uncertainty=added.uncertainty), 201)  # fmt: skip


async def announce(
    request: Request,
    node: str,
    starts_at: datetime | None,
    until: datetime | timedelta,
    *,
    reason: str,
    revision: int | None,
) -> node_work.MaintenanceWindow:
    """Announce maintenance until a moment, or for a length of time."""
    ends_at = until if isinstance(until, datetime) else (starts_at or node_work.next_minute()) + until
    return await service.act(
        request,
        "maintain",
        f"node {node}",
        lambda connection, actor: node_work.add_window(
            connection, actor, node, starts_at, ends_at, reason=reason, revision=revision
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


async def add_fit(
    request: Request, collocation: Collocation, application: Application, revision: int | None
) -> CalibrationVersion:
    """Apply a line as the next version."""
    return await service.act(
        request,
        "calibrate",
        f"node {collocation.node}",
        lambda connection, actor: calibration.apply_fit(connection, actor, collocation, application, revision),
    )


def build_collocation(node: str, name: str, station: str, start: str, end: str) -> Collocation:
    """A collocation beside a station of this network, from local times of a form."""
    return Collocation(
        node=node,
        observed_property=name,
        station=station,
        start=parse_local("start", start),
        end=parse_local("end", end),
    )


def parse_local(name: str, text: str) -> datetime:
    """A time of a form, in the clock that people read. Raises HTTPException 400."""
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise HTTPException(400, f"{name}: {text[:40]!r} is no date and time") from None
    return at if at.tzinfo else at.replace(tzinfo=LOCAL_TIMEZONE)


def _read_collocation(node: str, body: schemas.NewFit) -> Collocation:
    start, end = cursor.parse_instant("start", body.start), cursor.parse_instant("end", body.end)
    if start is None or end is None or (body.station is None) == (body.values is None):
        raise HTTPException(400, "give start, end, and either a station or values")
    try:
        values = None if body.values is None else calibration.parse_reference(body.values)
    except OperatorError as error:
        raise service.RefusedActError(error) from None
    return Collocation(
        node=node,
        observed_property=body.observed_property,
        start=start,
        end=end,
        station=body.station,
        values=values,
        title=body.title,
    )


def _build_window(window: node_work.MaintenanceWindow) -> schemas.AnnouncedMaintenance:
    return schemas.AnnouncedMaintenance(
        id=window.id,
        node=window.node,
        starts_at=format_instant(window.starts_at),
        ends_at=format_instant(window.ends_at),
        reason=window.reason,
    )


def _build_fit(preview: FitPreview) -> schemas.Fit:
    fields: Mapping[str, Any] = structs.asdict(preview.fit)
    return schemas.Fit(
        **fields, uncertainty=preview.fit.uncertainty, reference=preview.reference, confirmation=preview.confirmation
    )
