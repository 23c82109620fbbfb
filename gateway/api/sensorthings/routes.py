"""`/sta/v1.1`, its alias `/sta/v1.0`, and `/sta/v2.0`: the SensorThings API of the OGC, read only.

An error is a problem document with one sentence: 400 for a wrong request, 404, 501 for what the standard has and this
service does not. `docs/api.md` lists what it offers.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, quote

from fastapi import APIRouter, HTTPException, Request, Response
from msgspec import json

from gateway.api.http.responses import respond_cached
from gateway.api.schemas.schema import LICENCE
from gateway.api.sensorthings.data_array import build_data_array
from gateway.api.sensorthings.errors import BadQueryError, QueryError
from gateway.api.sensorthings.functions import list_function_names
from gateway.api.sensorthings.metadata import add_context, build_metadata, name_fragment
from gateway.api.sensorthings.model import MODEL_1_1, MODEL_2_0, OBSERVATION, Model
from gateway.api.sensorthings.option_parser import parse_options
from gateway.api.sensorthings.path_parser import Resource, parse_path
from gateway.api.sensorthings.query import QueryOptions, ResultFormat
from gateway.api.sensorthings.renderer import (
    HTTP_BINDING,
    RECEIVE_UPDATES,
    VERSION_1_1,
    VERSION_2_0,
    Document,
    VersionDialect,
)
from gateway.api.sensorthings.service import Service

router = APIRouter(include_in_schema=False)
_MAX_AGE = 2.0
_MAX_OPTIONS = 20
_VERSIONS: Mapping[str, tuple[Model, VersionDialect]] = {
    "v1.0": (MODEL_1_1, VERSION_1_1),
    "v1.1": (MODEL_1_1, VERSION_1_1),
    "v2.0": (MODEL_2_0, VERSION_2_0),
}


@router.get("/sta/v1.0")
@router.get("/sta/v1.1")
@router.get("/sta/v2.0")
async def get_root(request: Request) -> Response:
    """The sets, and the implemented classes of the standard."""
    service = _open_service(request)

    endpoints: list[str] = request.app.state.settings.mqtt_endpoints

    async def make() -> Document:
        return _build_root(service, endpoints)

    return await respond_cached(request, make, max_age=60.0)


@router.get("/sta/v1.0/{path:path}")
@router.get("/sta/v1.1/{path:path}")
@router.get("/sta/v2.0/{path:path}")
async def get_resource(request: Request, path: str) -> Response:
    """A set, an entity or a property."""
    service = _open_service(request)
    try:
        if not path:
            return await get_root(request)
        if path == "$metadata" and service.dialect is VERSION_2_0:
            return await respond_cached(request, lambda: _make_metadata(service), max_age=60.0)
        resource = parse_path(service.model, path)
        options = parse_options(_read_query(request))
        if resource.leaf is not None:
            return await _respond_property(service, resource, options)
        make = _make_set if resource.is_set else _make_entity
        return await respond_cached(request, lambda: make(request, service, resource, options), max_age=_MAX_AGE)
    except QueryError as error:
        raise HTTPException(error.status, str(error)) from None


def _open_service(request: Request) -> Service:
    settings = request.app.state.settings
    version = request.url.path.split("/")[2]
    model, dialect = _VERSIONS[version]
    root = settings.public_url.rstrip("/")
    return Service(
        model=model,
        dialect=dialect,
        root=f"{root}/sta/{version}",
        database=request.app.state.database,
        values={"root": root, "operator": settings.operator, "licence": LICENCE},
    )


def _read_query(request: Request) -> list[tuple[str, str]]:
    query = request.scope["query_string"].decode("ascii", "replace")
    try:
        return parse_qsl(query, keep_blank_values=True, max_num_fields=_MAX_OPTIONS, errors="strict")
    except (ValueError, UnicodeDecodeError):
        raise BadQueryError(f"the query is no text in UTF-8 of at most {_MAX_OPTIONS} options") from None


def _build_root(service: Service, mqtt_endpoints: Sequence[str]) -> Document:
    sets = [{"name": name, "url": f"{service.root}/{name}"} for name in service.model.sets]
    settings: Document = {"conformance": list(service.dialect.conformance)}
    if service.dialect is VERSION_2_0:
        settings |= {"functions": list_function_names(), HTTP_BINDING: {"endpoints": [service.root]}}
        return add_context({"value": sets, "serverSettings": settings}, service.root)
    if mqtt_endpoints:
        settings["conformance"].append(RECEIVE_UPDATES)
        settings[RECEIVE_UPDATES] = {"endpoints": list(mqtt_endpoints)}
    return {"value": sets, "serverSettings": settings}


async def _make_set(request: Request, service: Service, resource: Resource, options: QueryOptions) -> Document:
    path = quote(request.url.path, safe="/()'$@,")
    base = f"{service.root.rpartition('/sta/')[0]}{path}"
    query = request.scope["query_string"].decode("ascii", "replace")
    if options.result_format is ResultFormat.DATA_ARRAY:
        _check_data_array(service, resource, options)
    document = await service.read_set(resource, options, base, query)
    if service.dialect is VERSION_2_0:
        return add_context(document, service.root, name_fragment(resource))
    if options.result_format is ResultFormat.DATA_ARRAY:
        return {**document, "value": build_data_array(document["value"], service.root)}
    return document


def _check_data_array(service: Service, resource: Resource, options: QueryOptions) -> None:
    is_fitting = resource.steps[-1].entity.relation == OBSERVATION and service.dialect is VERSION_1_1
    if not is_fitting or resource.is_reference:
        raise BadQueryError("$resultFormat: dataArray is for Observations of version 1.1")
    if options.expand or (options.select and "id" not in options.select):
        raise BadQueryError("$resultFormat: dataArray goes without $expand, and $select must name id")


async def _make_entity(_request: Request, service: Service, resource: Resource, options: QueryOptions) -> Document:
    if options != QueryOptions(select=options.select, expand=options.expand):
        raise BadQueryError("one entity takes only $select and $expand")
    document = await service.read_entity(resource, options)
    return add_context(document, service.root, name_fragment(resource)) if service.dialect is VERSION_2_0 else document


async def _respond_property(service: Service, resource: Resource, options: QueryOptions) -> Response:
    """The value of a property: 204 if it is null."""
    if options != QueryOptions():
        raise BadQueryError("a property takes no options")
    value = await service.read_property(resource)
    if value is None:
        return Response(status_code=204)
    name = resource.parts[-1] if resource.parts else resource.leaf and resource.leaf.name
    document = {str(name): value}
    if service.dialect is VERSION_2_0:
        document = add_context({"value": value}, service.root, name_fragment(resource))
    return _respond_value(document, value, is_text=resource.is_value)


async def _make_metadata(service: Service) -> Document:
    return build_metadata(service.model)


def _respond_value(document: Document, value: object, *, is_text: bool) -> Response:
    headers = {"Cache-Control": f"public, max-age={round(_MAX_AGE)}"}
    if not is_text:
        return Response(json.encode(document), media_type="application/json", headers=headers)
    text = value if isinstance(value, str) else json.encode(value)
    return Response(text, media_type="text/plain; charset=utf-8", headers=headers)
