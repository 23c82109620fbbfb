"""`/map`: tiles of the base map below the stations, if the operator configures one.

This process fetches the tiles, so that no visitor's browser contacts another host. Only tiles at or near our areas are
fetched, each at most once a day for all visitors. A tile that cannot be fetched is 503; the map then shows the outline.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from math import atan, degrees, pi, sinh
from typing import Any

import httpx
from fastapi import APIRouter, HTTPException, Request, Response

from gateway.api.data.latest_values import LatestValues
from gateway.api.http.cache import Body, Cache
from gateway.api.http.responses import respond
from gateway.api.routes.places import get_latest_values
from gateway.api.settings import BaseMapSettings

router = APIRouter(prefix="/map", include_in_schema=False)
_MAX_AGE = 86_400.0
_MAX_TILE_BYTES = 524_288
_CACHE_BYTES = 32 * 2**20
_MARGIN_DEGREES = 0.3  # degrees around the areas
_MEDIA_TYPES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}


class TileCache:
    """Tiles of the map server, cached in memory for a day. Owned by one process."""

    def __init__(self, settings: BaseMapSettings) -> None:
        self.settings, self._cache, self._download_slots = settings, Cache(_CACHE_BYTES), asyncio.Semaphore(6)
        self._client: httpx.AsyncClient | None = None

    @asynccontextmanager
    async def open_client(self) -> AsyncIterator["TileCache"]:
        """Keep connections to the map server open while the block runs."""
        async with httpx.AsyncClient(timeout=5, headers={"User-Agent": "Piekwacht"}) as self._client:
            yield self

    async def get_tile(self, z: int, x: int, y: int) -> Body:
        """One tile; raises HTTPException 503 if the map server does not deliver an image."""
        return await self._cache.get(f"{z}/{x}/{y}", _MAX_AGE, lambda: self._download(z, x, y))

    async def _download(self, z: int, x: int, y: int) -> Body:
        address = self.settings.url.replace("{z}", str(z)).replace("{x}", str(x)).replace("{y}", str(y))
        try:
            async with self._download_slots:
                if self._client is None:
                    raise HTTPException(503, "the map is not open yet")
                response = await self._client.get(address)
                response.raise_for_status()
        except httpx.HTTPError:
            raise HTTPException(503, "the map's server does not answer") from None
        if len(response.content) > _MAX_TILE_BYTES or media_type_of(response.content) is None:
            raise HTTPException(503, "the map's server sent no picture")
        return Body(response.content)


@router.get("/{z}/{x}/{y}.png")
async def show_tile(request: Request, z: int, x: int, y: int) -> Response:
    """A tile in web map numbering (EPSG:3857)."""
    tile_cache: TileCache = request.app.state.tile_cache
    settings = tile_cache.settings
    if not settings.url or not settings.min_zoom <= z <= settings.max_zoom:
        raise HTTPException(404, "there is no such tile")
    if not is_near_area(await get_latest_values(request), z, x, y):
        raise HTTPException(404, "there is no such tile: it lies outside our areas")
    body = await tile_cache.get_tile(z, x, y)
    return respond(request, body, max_age=_MAX_AGE, media=media_type_of(body.content) or "image/png")


def media_type_of(content: bytes) -> str | None:
    """The media type of a picture by its first bytes."""
    return next((kind for prefix, kind in _MEDIA_TYPES.items() if content.startswith(prefix)), None)


def is_near_area(latest_values: LatestValues, z: int, x: int, y: int) -> bool:
    """Whether a tile lies within 0.3 degrees of one of our areas."""
    if not (0 <= x < 2**z and 0 <= y < 2**z):
        return False
    west, east = (n / 2**z * 360 - 180 for n in (x, x + 1))
    south, north = (degrees(atan(sinh(pi * (1 - 2 * n / 2**z)))) for n in (y + 1, y))
    areas = latest_values.registry.areas.values()
    return any(_is_near_outline(area.outline, west, east, south, north) for area in areas)


def _is_near_outline(outline: Mapping[str, Any], west: float, east: float, south: float, north: float) -> bool:
    """Whether a box, in degrees, lies within 0.3 degrees of the bounds of a GeoJSON geometry."""
    corners = list(_iterate_positions(outline.get("coordinates", ())))
    if not corners:
        return False
    longitudes, latitudes = [position[0] for position in corners], [position[1] for position in corners]
    outside_longitudes = east < min(longitudes) - _MARGIN_DEGREES or west > max(longitudes) + _MARGIN_DEGREES
    outside_latitudes = north < min(latitudes) - _MARGIN_DEGREES or south > max(latitudes) + _MARGIN_DEGREES
    return not (outside_longitudes or outside_latitudes)


def _iterate_positions(coordinates: Sequence[Any]) -> Iterator[Sequence[float]]:
    """Every position in the coordinates of a GeoJSON geometry, at any depth."""
    if coordinates and isinstance(coordinates[0], int | float):
        yield coordinates
        return
    parts: Iterable[Any] = coordinates
    for part in parts:
        yield from _iterate_positions(part)
