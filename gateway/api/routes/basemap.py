"""A base map below the stations, where the operator wants one: fetched by us, so that no visitor asks another host.

Only tiles at or near our own areas are fetched, each once a day at most for all who look. What cannot be had is
simply not there, and the outline of the area remains.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from math import atan, degrees, pi, sinh
from typing import Any

import httpx
from fastapi import APIRouter, HTTPException, Request, Response

from gateway.api.data.latest_values import Board
from gateway.api.http.cache import Body, Cache
from gateway.api.http.responses import respond
from gateway.api.routes.places import board_of
from gateway.api.settings import BaseMapSettings

router = APIRouter(prefix="/map", include_in_schema=False)
_FRESH = 86_400.0
_LARGEST = 524_288  # bytes
_KEPT = 32 * 2**20
_AROUND = 0.3  # degrees around the areas
_KINDS = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}


class Tiles:
    """Owned by one process."""

    def __init__(self, settings: BaseMapSettings) -> None:
        self.settings, self._cache, self._few = settings, Cache(_KEPT), asyncio.Semaphore(6)
        self._client: httpx.AsyncClient | None = None

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["Tiles"]:
        """Connections to the map's server while the block runs."""
        async with httpx.AsyncClient(timeout=5, headers={"User-Agent": "Piekwacht"}) as self._client:
            yield self

    async def tile(self, z: int, x: int, y: int) -> Body:
        """One picture; 404 where it is none of ours, 503 where the map's server does not give it."""
        return await self._cache.get(f"{z}/{x}/{y}", _FRESH, lambda: self._fetched(z, x, y))

    async def _fetched(self, z: int, x: int, y: int) -> Body:
        address = self.settings.url.replace("{z}", str(z)).replace("{x}", str(x)).replace("{y}", str(y))
        try:
            async with self._few:
                if self._client is None:
                    raise HTTPException(503, "the map is not open yet")
                answer = await self._client.get(address)
                answer.raise_for_status()
        except httpx.HTTPError:
            raise HTTPException(503, "the map's server does not answer") from None
        if len(answer.content) > _LARGEST or kind_of(answer.content) is None:
            raise HTTPException(503, "the map's server gave no picture")
        return Body(answer.content)


@router.get("/{z}/{x}/{y}.png")
async def tile(request: Request, z: int, x: int, y: int) -> Response:
    """A tile, in the numbering of the web (EPSG:3857)."""
    tiles: Tiles = request.app.state.tiles
    settings = tiles.settings
    if not settings.url or not settings.lowest <= z <= settings.highest:
        raise HTTPException(404, "there is no such tile")
    if not touches(await board_of(request), z, x, y):
        raise HTTPException(404, "there is no such tile: it lies outside our areas")
    body = await tiles.tile(z, x, y)
    return respond(request, body, fresh=_FRESH, media=kind_of(body.content) or "image/png")


def kind_of(content: bytes) -> str | None:
    """The media type of a picture by its first bytes."""
    return next((kind for begin, kind in _KINDS.items() if content.startswith(begin)), None)


def touches(board: Board, z: int, x: int, y: int) -> bool:
    """Whether a tile lies at or near one of our areas."""
    if not (0 <= x < 2**z and 0 <= y < 2**z):
        return False
    west, east = (n / 2**z * 360 - 180 for n in (x, x + 1))
    south, north = (degrees(atan(sinh(pi * (1 - 2 * n / 2**z)))) for n in (y + 1, y))
    for row in board.places.areas.values():
        corners = list(_corners(row[3].get("coordinates", ())))
        if not corners:
            continue
        longitudes, latitudes = [one[0] for one in corners], [one[1] for one in corners]
        beside = east < min(longitudes) - _AROUND or west > max(longitudes) + _AROUND
        if not (beside or north < min(latitudes) - _AROUND or south > max(latitudes) + _AROUND):
            return True
    return False


def _corners(coordinates: Sequence[Any]) -> Iterator[Sequence[float]]:
    """Every position in a GeoJSON geometry's coordinates, however deep."""
    if coordinates and isinstance(coordinates[0], int | float):
        yield coordinates
        return
    parts: Iterable[Any] = coordinates
    for part in parts:
        yield from _corners(part)
