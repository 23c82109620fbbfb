"""Lines fitted beside a reference, by form and API."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, HTTPException, Query, Request
from fastapi.responses import Response
from msgspec import structs

from gateway.api.http import cursor
from gateway.api.http.openapi import describe_body
from gateway.api.http.parameters import ItemId
from gateway.api.http.problems import reject_unknown_parameters
from gateway.api.operator import service
from gateway.api.operator.form_fields import FormText, LocalTime, Revision, parse_local
from gateway.api.operator.page_frame import answer_page, redirect, render_page
from gateway.api.operator.routes import SECURITY, describe, read_body, respond_json
from gateway.api.pages.renderer import ViewDependency
from gateway.api.schemas import operator as schemas
from gateway.operator import calibration
from gateway.operator.calibration import Application, Collocation, FitPreview
from gateway.operator.errors import OperatorError
from gateway.quality.calibration import CalibrationVersion

page_router = APIRouter()
api_router = APIRouter(prefix="/operator", dependencies=[Depends(reject_unknown_parameters)], tags=["operator"])


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


def _build_fit(preview: FitPreview) -> schemas.Fit:
    fields: Mapping[str, Any] = structs.asdict(preview.fit)
    return schemas.Fit(
        **fields, uncertainty=preview.fit.uncertainty, reference=preview.reference, confirmation=preview.confirmation
    )
