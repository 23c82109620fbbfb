"""Tiles of the operator's map server: from memory, from disk, or from the server itself. Used by `routes.basemap`.

This process fetches the tiles, so that no visitor's browser contacts another host. A tile is requested at most once a
day for all visitors, and concurrent requests share one download. While the map server does not answer, an older tile
from the disk is served, and the next request to the server follows after some seconds. Raises HTTPException 503 if
there is no such tile.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from fastapi import HTTPException

from alerting.log import get_logger
from gateway.api.data.pictures import media_type_of
from gateway.api.data.tile_store import StoredTile, TileStore
from gateway.api.http.cache import Body, Cache
from gateway.api.settings import BaseMapSettings

_LOG = get_logger("gateway.api")
FRESH_SECONDS = 86_400.0
STALE_SECONDS = 60.0  # a browser asks again for a tile that was served from before
_RETRY_SECONDS = 10.0  # while the map server does not answer
_MAX_TILE_BYTES = 524_288
_MEMORY_BYTES = 32 * 2**20
_MAX_DOWNLOADS = 6
_MAX_STALE_KEYS = 20_000


@dataclass(frozen=True, kw_only=True)
class CachedTile:
    """A tile, and for how many seconds a browser may keep it."""

    body: Body
    max_age: float


class TileCache:
    """Owned by one process."""

    def __init__(self, settings: BaseMapSettings) -> None:
        self.settings, self._cache = settings, Cache(_MEMORY_BYTES)
        self._slots = asyncio.Semaphore(_MAX_DOWNLOADS)
        self._client: httpx.AsyncClient | None = None
        self._store = None
        if settings.cache_folder is not None:
            self._store = TileStore(settings.cache_folder, megabytes=settings.cache_megabytes, days=settings.cache_days)
        self._stale: set[str] = set()
        self._retry_at = 0.0
        self._write_problem: str | None = None

    @asynccontextmanager
    async def open_client(self) -> AsyncIterator["TileCache"]:
        """Keep connections to the map server open while the block runs."""
        if not self.settings.url:  # a client loads all certificate authorities: half the time of the API's start
            yield self
            return
        async with httpx.AsyncClient(
            timeout=5, headers={"User-Agent": "Piekwacht"}, follow_redirects=False
        ) as self._client:
            yield self

    async def get_tile(self, z: int, x: int, y: int) -> CachedTile:
        """One tile; raises HTTPException 503 if neither the map server nor the disk has it."""
        key = f"{z}/{x}/{y}"
        max_age = STALE_SECONDS if key in self._stale else FRESH_SECONDS
        body = await self._cache.get(key, max_age, lambda: self._load(z, x, y))
        return CachedTile(body=body, max_age=STALE_SECONDS if key in self._stale else FRESH_SECONDS)

    async def _load(self, z: int, x: int, y: int) -> Body:
        stored = await self._read(z, x, y)
        if stored is not None and time.time() - stored.fetched_at < FRESH_SECONDS:
            self._mark(f"{z}/{x}/{y}", is_stale=False)
            return Body(stored.content)
        try:
            content = await self._download(z, x, y)
        except HTTPException:
            if stored is None:
                raise
            self._mark(f"{z}/{x}/{y}", is_stale=True)
            return Body(stored.content)
        self._mark(f"{z}/{x}/{y}", is_stale=False)
        await self._write(z, x, y, content)
        return Body(content)

    def _mark(self, key: str, *, is_stale: bool) -> None:
        if not is_stale:
            self._stale.discard(key)
            return
        if len(self._stale) >= _MAX_STALE_KEYS:
            self._stale.clear()
        self._stale.add(key)

    async def _download(self, z: int, x: int, y: int) -> bytes:
        address = self.settings.url.replace("{z}", str(z)).replace("{x}", str(x)).replace("{y}", str(y))
        async with self._slots:
            if self._client is None:
                raise HTTPException(503, "the map is not open yet")
            if time.monotonic() < self._retry_at:
                raise HTTPException(503, "the map's server does not answer")
            try:
                async with self._client.stream("GET", address) as response:
                    response.raise_for_status()
                    content = await _read_limited(response)
            except httpx.TransportError:
                self._retry_at = time.monotonic() + _RETRY_SECONDS
                raise HTTPException(503, "the map's server does not answer") from None
            except httpx.HTTPError:
                raise HTTPException(503, "the map's server refused the tile") from None
        if media_type_of(content) is None:
            raise HTTPException(503, "the map's server sent no picture")
        return content

    async def _read(self, z: int, x: int, y: int) -> StoredTile | None:
        return None if self._store is None else await asyncio.to_thread(self._store.get, z, x, y, time.time())

    async def _write(self, z: int, x: int, y: int, content: bytes) -> None:
        if self._store is None:
            return
        problem = await asyncio.to_thread(self._store.put, z, x, y, content)
        if problem is not None and problem != self._write_problem:
            _LOG.warning("tile not stored", error=problem, folder=str(self.settings.cache_folder))
        self._write_problem = problem


async def _read_limited(response: httpx.Response) -> bytes:
    """The body, if it is not longer than a tile may be. Raises HTTPException 503."""
    content = b""
    async for part in response.aiter_bytes():
        content += part
        if len(content) > _MAX_TILE_BYTES:
            raise HTTPException(503, "the map's server sent more than a tile")
    return content
