"""The forms in which other systems read this site, each with a call to copy and the answer that it gets now.

`/developers` shows them. The answers come from the application itself, through everything that a client's request goes
through, and are read again after a minute.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

import httpx
from starlette.requests import Request

from gateway.api.data.registry import DatastreamRow, PublicRegistry, StationRow
from gateway.api.http.cache import TtlCache

_MAX_LINES = 30
_MAX_LINE = 160
_MAX_AGE = 60.0  # s
_TIMEOUT = 10.0  # s


@dataclass(frozen=True, kw_only=True)
class FaceCall:
    """A call in one form. `id`: of its text in the catalogue; `readers`: programs that read this form."""

    id: str
    title: str
    readers: str
    path: str


@dataclass(frozen=True, kw_only=True)
class FaceExample:
    """A call as the page shows it. `answer`: its text; empty for a picture, which `picture` is the address of."""

    call: FaceCall
    command: str
    address: str
    answer: str
    picture: str


def list_calls(registry: PublicRegistry) -> list[FaceCall]:
    """The calls, about a station and a datastream that exist; empty without any."""
    datastream = _choose_datastream(registry)
    if datastream is None:
        return []
    station = registry.stations[datastream.station]
    return [
        FaceCall(
            id="sensorthings",
            title="OGC SensorThings API 1.1",
            readers="QGIS, Grafana, frost-sta-client, samanapir",
            path=f"/sta/v1.1/Datastreams({datastream.id})/Observations?$top=2&$orderby=phenomenonTime desc",
        ),
        FaceCall(
            id="sensorthings_2",
            title="OGC SensorThings API 2.0",
            readers="FROST-Client",
            path=f"/sta/v2.0/Datastreams({datastream.id})?$expand=ObservedProperties",
        ),
        FaceCall(
            id="features",
            title="OGC API Features",
            readers="QGIS, ArcGIS, owslib",
            path=f"/ogc/collections/stations/items/{quote(station.id)}",
        ),
        FaceCall(
            id="luchtmeetnet",
            title="Luchtmeetnet Open API",
            readers="Home Assistant, Homey",
            path=f"/open_api/measurements?station_number=PW-{quote(station.id)}",
        ),
        FaceCall(
            id="sensor_community",
            title="Sensor.Community",
            readers="Home Assistant",
            path=f"/airrohr/v1/filter/area={station.latitude},{station.longitude},2",
        ),
        FaceCall(
            id="wms", title="OGC WMS 1.3.0", readers="QGIS, Atlas Leefomgeving", path=_map_path(datastream, station)
        ),
    ]


def _choose_datastream(registry: PublicRegistry) -> DatastreamRow | None:
    """The first datastream of fine dust, else of anything."""
    rows = sorted(registry.datastreams.values(), key=lambda row: (row.observed_property != "pm2_5", row.id))
    return next((row for row in rows if row.station in registry.stations), None)


def _map_path(datastream: DatastreamRow, station: StationRow) -> str:
    layer = datastream.observed_property
    west, south = station.longitude - 0.05, station.latitude - 0.03
    box = f"{west:.3f},{south:.3f},{west + 0.1:.3f},{south + 0.06:.3f}"
    size = "CRS=CRS:84&WIDTH=320&HEIGHT=300&FORMAT=image/png"
    return f"/wms?SERVICE=WMS&VERSION=1.3.0&REQUEST=GetMap&LAYERS={layer}&STYLES=&{size}&BBOX={box}"


async def fetch_examples(request: Request, cache: TtlCache, calls: Sequence[FaceCall], root: str) -> list[FaceExample]:
    """The calls with the answers that they get now. `root`: address of the site."""

    async def make() -> list[FaceExample]:
        transport = httpx.ASGITransport(app=request.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=root, timeout=_TIMEOUT) as client:
            return await asyncio.gather(*(_fetch(client, call, root) for call in calls))

    return await cache.get("open faces", _MAX_AGE, make)


async def _fetch(client: httpx.AsyncClient, call: FaceCall, root: str) -> FaceExample:
    path = quote(call.path, safe="/?&=$(),;:'%")
    response = await client.get(path)
    is_picture = response.headers["content-type"].startswith("image/")
    return FaceExample(
        call=call,
        command=f"curl '{root}{path}'",
        address=f"{root}{path}",
        answer="" if is_picture else format_answer(response.content),
        picture=path if is_picture else "",
    )


def format_answer(content: bytes) -> str:
    """The answer in lines that a page can show. Pure."""
    try:
        text = json.dumps(json.loads(content), indent=1, ensure_ascii=False)
    except ValueError:
        text = content.decode(errors="replace")
    lines = [line if len(line) <= _MAX_LINE else f"{line[:_MAX_LINE]}..." for line in text.splitlines()]
    return "\n".join([*lines[:_MAX_LINES], *(["..."] if len(lines) > _MAX_LINES else [])])
