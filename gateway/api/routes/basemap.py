"""`/map`: what the map shows below the stations: drawn base maps, archives of vector tiles, tiles of a map server.

Everything comes from this address, so that no visitor's browser contacts another host. Of a map server only tiles at or
near our areas are fetched. A tile that cannot be had is 503; the map then shows the drawn base map.
"""

import re
import time
from email.utils import parsedate_to_datetime
from math import atan, degrees, pi, sinh
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import FileResponse
from msgspec import json

from gateway.api.data.area_base import AreaBase
from gateway.api.data.latest_values import LatestValues
from gateway.api.data.map_archive import SUFFIX, MapArchive, list_archives
from gateway.api.data.outlines import box_of
from gateway.api.data.pictures import media_type_of
from gateway.api.data.tile_cache import TileCache
from gateway.api.http.cache import Body
from gateway.api.http.responses import respond
from gateway.api.routes.places import get_latest_values
from gateway.api.settings import BaseMapSettings

router = APIRouter(prefix="/map", include_in_schema=False)
_MARGIN_DEGREES = 0.3  # around the areas
_BASE_SECONDS = 3_600.0
_ARCHIVE_SECONDS = 10.0  # until a folder of archives is listed again
_SINGLE_RANGE = re.compile(r"bytes=(\d{1,18}-\d{0,18}|-\d{1,18})")


class MapSources:
    """The drawn base maps and the archives of one process."""

    def __init__(self, settings: BaseMapSettings, bases: dict[str, AreaBase]) -> None:
        self.settings, self.bases = settings, bases
        self._bodies: dict[str, Body] = {}
        self._archives: dict[str, MapArchive] = {}
        self._listed_at = -_ARCHIVE_SECONDS

    def archives(self) -> dict[str, MapArchive]:
        """The archives by name, as the folder had them some seconds ago."""
        if time.monotonic() - self._listed_at >= _ARCHIVE_SECONDS:
            self._archives = {archive.name: archive for archive in list_archives(self.settings.archive_folder)}
            self._listed_at = time.monotonic()
        return self._archives

    def drawing(self, area: str) -> Body | None:
        """The drawn base map of an area as GeoJSON; None without one."""
        base = self.bases.get(area)
        if base is None:
            return None
        if area not in self._bodies:
            self._bodies[area] = Body(json.encode(base.drawing))
        return self._bodies[area]


@router.get("/areas/{area}.geojson")
async def show_area(request: Request, area: str) -> Response:
    """The drawn base map of an area."""
    sources: MapSources = request.app.state.map_sources
    body = sources.drawing(area)
    if body is None:
        raise HTTPException(404, f"there is no base map of {area[:80]!r}")
    return respond(request, body, max_age=_BASE_SECONDS, media="application/geo+json")


@router.get("/archives/{name}" + SUFFIX)
async def show_archive(request: Request, name: str) -> Response:
    """An archive of vector tiles, whole or a range of it (RFC 9110, 14)."""
    sources: MapSources = request.app.state.map_sources
    archive = sources.archives().get(name)
    if archive is None or not archive.path.is_file():
        raise HTTPException(404, f"there is no archive {name[:80]!r}")
    response = FileResponse(
        archive.path,
        media_type="application/vnd.pmtiles",
        stat_result=archive.path.stat(),
        headers={"Cache-Control": f"public, max-age={_BASE_SECONDS:.0f}"},
    )
    if _is_current(request, response):
        repeated = ("etag", "last-modified", "cache-control")
        return Response(status_code=304, headers={name: response.headers[name] for name in repeated})
    _check_range(request, archive.path)
    return response


def _is_current(request: Request, response: FileResponse) -> bool:
    """Whether the browser has this version of the file (RFC 9110, 13.1)."""
    tags = request.headers.get("if-none-match")
    if tags is not None:
        return tags.strip() == "*" or response.headers["etag"] in {tag.strip() for tag in tags.split(",")}
    since = request.headers.get("if-modified-since")
    try:
        return since is not None and parsedate_to_datetime(response.headers["last-modified"]) <= parsedate_to_datetime(
            since
        )
    except ValueError:
        return False


def _check_range(request: Request, path: Path) -> None:
    """Remove a Range that we need not understand: several ranges, other units. Raises HTTPException 416."""
    range_header = request.headers.get("range")
    if range_header is None:
        return
    match = _SINGLE_RANGE.fullmatch(range_header.strip())
    size = path.stat().st_size
    first, _, last = match[1].partition("-") if match else ("", "", "")
    if match is None or (first and last and int(last) < int(first)):
        request.scope["headers"] = [header for header in request.scope["headers"] if header[0] != b"range"]
    elif (first and int(first) >= size) or (not first and int(last) == 0):
        raise HTTPException(
            416,
            f"the file has {size} bytes; the range {range_header[:60]} is beyond its end",
            {"Content-Range": f"bytes */{size}"},
        )


@router.get("/{z}/{x}/{y}.png")
async def show_tile(request: Request, z: int, x: int, y: int) -> Response:
    """A tile in web map numbering (EPSG:3857)."""
    tile_cache: TileCache = request.app.state.tile_cache
    settings = tile_cache.settings
    if not settings.url or not settings.min_zoom <= z <= settings.max_zoom:
        raise HTTPException(404, "there is no such tile")
    if not is_near_area(await get_latest_values(request), z, x, y):
        raise HTTPException(404, "there is no such tile: it lies outside our areas")
    tile = await tile_cache.get_tile(z, x, y)
    media = media_type_of(tile.body.content) or "image/png"
    return respond(request, tile.body, max_age=tile.max_age, media=media)


def is_near_area(latest_values: LatestValues, z: int, x: int, y: int) -> bool:
    """Whether a tile lies within 0.3 degrees of one of our areas."""
    if not (0 <= x < 2**z and 0 <= y < 2**z):
        return False
    west, east = (n / 2**z * 360 - 180 for n in (x, x + 1))
    south, north = (degrees(atan(sinh(pi * (1 - 2 * n / 2**z)))) for n in (y + 1, y))
    for area in latest_values.registry.areas.values():
        box = box_of(area.outline)
        if box is not None and (
            west <= box[2] + _MARGIN_DEGREES
            and east >= box[0] - _MARGIN_DEGREES
            and south <= box[3] + _MARGIN_DEGREES
            and north >= box[1] - _MARGIN_DEGREES
        ):
            return True
    return False
