"""`/wms`: the newest minute of all stations as a Web Map Service 1.3.0, for maps such as the Atlas Leefomgeving."""

import asyncio
import math
from collections.abc import Mapping
from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response
from msgspec import json

from gateway.api.http.cache import Body
from gateway.api.http.responses import cache_key, licence_headers
from gateway.api.map_service.documents import XML, build_capabilities, build_exception
from gateway.api.map_service.drawing import RADIUS, StationMark, draw_legend, draw_map, list_layers
from gateway.api.map_service.parameters import (
    INFO_FORMATS,
    PICTURE,
    MapRequest,
    ServiceError,
    read_info,
    read_layers,
    read_map_request,
    read_parameters,
    read_pixel,
)
from gateway.api.routes.places import get_latest_values
from gateway.model.timestamps import to_ms

router = APIRouter(include_in_schema=False)
_MAX_AGE = 5.0
_DRAWING = asyncio.Semaphore(1)  # a picture takes a processor; others wait

Parameters = Mapping[str, str]


@router.get("/wms")
async def get_map_service(request: Request) -> Response:
    """One request of the standard. A wrong one gets a ServiceException with status 200, as its clients expect."""
    parameters = read_parameters(request.query_params.multi_items())
    try:
        return await _answer(request, parameters)
    except ServiceError as error:
        return _respond(request, build_exception(error), XML)


async def _answer(request: Request, parameters: Parameters) -> Response:
    if parameters.get("SERVICE", "WMS").upper() != "WMS":
        raise ServiceError("SERVICE: there is WMS")
    name = parameters.get("REQUEST", "GetCapabilities")
    if name == "GetCapabilities":
        settings = request.app.state.settings
        address = f"{settings.public_url.rstrip('/')}/wms"
        return _respond(request, build_capabilities(settings, address, list_layers()), XML)
    if parameters.get("VERSION", "1.3.0") != "1.3.0":
        raise ServiceError("VERSION: there is 1.3.0")
    if name == "GetMap":
        return await _draw(request, read_map_request(parameters, list_layers()))
    if name == "GetFeatureInfo":
        return await _inform(request, parameters)
    if name == "GetLegendGraphic":
        (layer,) = read_layers(parameters.get("LAYER", ""), list_layers())[:1]
        return _respond(request, draw_legend(layer), PICTURE)
    operations = "GetCapabilities, GetMap, GetFeatureInfo, GetLegendGraphic"
    raise ServiceError(f"REQUEST: no {name[:40]!r}; there are: {operations}", "OperationNotSupported")


async def _draw(request: Request, map_request: MapRequest) -> Response:
    async def make() -> Body:
        marks = await _list_marks(request, map_request.layers)
        async with _DRAWING:
            return Body(await asyncio.to_thread(draw_map, map_request, marks))

    body = await request.app.state.cache.get(cache_key(request), _MAX_AGE, make)
    return _respond(request, body.content, PICTURE)


async def _inform(request: Request, parameters: Parameters) -> Response:
    """The stations at a pixel, the nearest first."""
    map_request = read_map_request(parameters, list_layers())
    layers = read_layers(parameters.get("QUERY_LAYERS", ""), map_request.layers)
    format_, count = read_info(parameters)
    x, y = read_pixel(parameters, map_request.width, map_request.height)
    near = []
    for mark in await _list_marks(request, layers):
        column, row = map_request.locate(mark.longitude, mark.latitude)
        distance = math.hypot(column - x - 0.5, row - y - 0.5)
        if distance <= RADIUS + 1:
            near.append((distance, mark.station, mark))
    nearest = [mark for _, _, mark in sorted(near, key=lambda item: item[:2])[:count]]
    if format_ == INFO_FORMATS[1]:
        lines = [f"{mark.name}: {mark.observed_property} = {mark.value} (mean of 1 min)" for mark in nearest]
        return _respond(request, "\n".join([*lines, ""]).encode(), "text/plain; charset=utf-8")
    features = [_build_feature(mark) for mark in nearest]
    return _respond(request, json.encode({"type": "FeatureCollection", "features": features}), format_)


def _build_feature(mark: StationMark) -> dict[str, object]:
    return {
        "type": "Feature",
        "id": mark.station,
        "geometry": {"type": "Point", "coordinates": [mark.longitude, mark.latitude]},
        "properties": {
            "name": mark.name,
            "observedProperty": mark.observed_property,
            "mean": mark.value,
            "averaging": "1min",
            "observedAt": mark.observed_at,
        },
    }


async def _list_marks(request: Request, layers: tuple[str, ...]) -> list[StationMark]:
    """The stations that measure the layers, with the mean of their newest minute; one that is old is no value."""
    latest_values, settings = await get_latest_values(request), request.app.state.settings
    earliest = -math.inf if settings.replay else to_ms(datetime.now(UTC)) - settings.no_data_after_seconds * 1000
    stations, marks = latest_values.registry.stations, []
    for layer in layers:
        for id_, windows in latest_values.windows.items():
            window, row = windows.get(layer), stations.get(id_)
            if window is not None and row is not None:
                newest_ms, minute = window.newest_ms, window.minute
                value = minute.mean if newest_ms is not None and newest_ms >= earliest else None
                # by position: keywords take twice as long, and there may be ten thousand
                marks.append(StationMark(id_, row.name, row.longitude, row.latitude, layer, value, minute.observed_at))
    return marks


def _respond(request: Request, content: bytes, media: str) -> Response:
    headers = {"Cache-Control": f"public, max-age={_MAX_AGE:.0f}", **licence_headers(request.app.state.settings)}
    return Response(content, media_type=media, headers=headers)
