"""In-memory caches of responses. `http.responses` fills them, `http.cache_middleware` reads them.

After a peak many phones request the same document at once. Concurrent identical requests share one computation, and
its response stays fresh for the seconds that its route sets. The cache is bounded: the least recently used go first.
"""

import asyncio
import gzip
import time
import zlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar, cast

from starlette.requests import Request

T = TypeVar("T")

_MAX_BYTES = 64 * 2**20
_MAX_INDEXED_REQUESTS = 2_000
_LARGE_BYTES = 100_000
_ENTRY_BYTES = 1_000  # of an entry without its content and key


class Body:
    """The bytes of one response, plain and gzipped, with their ETag."""

    def __init__(self, content: bytes, modified: datetime | None = None) -> None:
        self.content, self.modified = content, modified
        self._gzipped: bytes | None = None
        self._compression: asyncio.Future[bytes] | None = None
        # a checksum suffices for versions of one response, at a fifth of the cost of a cryptographic digest
        self.etag = f'W/"{len(content):x}-{zlib.crc32(content):08x}{zlib.adler32(content):08x}"'

    @property
    def gzipped(self) -> bytes:
        """The content, gzipped."""
        if self._gzipped is None:
            self._gzipped = _gzip(self.content)
        return self._gzipped

    def compress_fully(self) -> "Body":
        """Gzip as small as possible, at the start of a process: for files that never change."""
        self._gzipped = gzip.compress(self.content, compresslevel=9, mtime=0)
        return self

    async def compress(self) -> None:
        """Gzip a large body once, in a thread, so that other requests do not wait for it."""
        if self._gzipped is None and len(self.content) > _LARGE_BYTES:
            if self._compression is None:
                self._compression = asyncio.ensure_future(asyncio.to_thread(_gzip, self.content))
            self._gzipped = await asyncio.shield(self._compression)


class Cache:
    """Bodies by request. A request with a long address and a short answer counts with its address."""

    def __init__(self, max_bytes: int = _MAX_BYTES) -> None:
        self._max_bytes, self._size = max_bytes, 0
        self._entries: OrderedDict[str, tuple[float, Body]] = OrderedDict()
        self._pending: dict[str, asyncio.Future[Body]] = {}

    async def get(self, key: str, max_age: float, make: Callable[[], Awaitable[Body]]) -> Body:
        """The cached body if younger than `max_age` seconds, else a new one, made once for all concurrent callers."""
        body = self.find_fresh(key, max_age)
        if body is not None:
            return body
        pending = self._pending.get(key)
        if pending is None:
            pending = self._pending[key] = asyncio.ensure_future(self._fill(key, make))
            pending.add_done_callback(lambda _: self._pending.pop(key, None))
        return await asyncio.shield(pending)

    def find_fresh(self, key: str, max_age: float) -> Body | None:
        """The cached body if younger than `max_age` seconds."""
        entry = self._entries.get(key)
        if entry is None or time.monotonic() - entry[0] >= max_age:
            return None
        self._entries.move_to_end(key)
        return entry[1]

    async def _fill(self, key: str, make: Callable[[], Awaitable[Body]]) -> Body:
        body = await make()
        self._evict(key)
        self._entries[key] = time.monotonic(), body
        self._size += _entry_size(key, body)
        while self._size > self._max_bytes:
            self._evict(next(iter(self._entries)))
        return body

    def _evict(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._size -= _entry_size(key, entry[1])


def _entry_size(key: str, body: Body) -> int:
    """Return its bytes in memory, a compressed copy included."""
    return len(body.content) * 5 // 4 + len(key) + _ENTRY_BYTES


class TtlCache:
    """Values by key, for a small fixed set of keys. The caller knows the type that belongs to a key."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[float, object]] = {}

    async def get(self, key: str, max_age: float, make: Callable[[], Awaitable[T]]) -> T:
        """The cached value if younger than `max_age` seconds, else a new one; an error of `make` is not cached."""
        entry = self._entries.get(key)
        if entry is None or time.monotonic() - entry[0] >= max_age:
            entry = self._entries[key] = time.monotonic(), await make()
        return cast("T", entry[1])


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, compresslevel=1 if len(content) > _LARGE_BYTES else 5, mtime=0)


RequestKey = tuple[str, bytes, str | None]  # path, query string as received, Accept


@dataclass(frozen=True, kw_only=True)
class IndexEntry:
    """Cache key, freshness in seconds, media type and further headers of the response to a request."""

    key: str
    max_age: float
    media: str
    headers: Mapping[str, str] = field(default_factory=dict)


class RequestIndex:
    """The latest successful requests, exactly as received."""

    def __init__(self) -> None:
        self._entries: OrderedDict[RequestKey, IndexEntry] = OrderedDict()

    def add(self, request: Request, entry: IndexEntry) -> None:
        """Remember a request that was answered successfully."""
        self._entries[_request_key(request)] = entry
        while len(self._entries) > _MAX_INDEXED_REQUESTS:
            self._entries.popitem(last=False)

    def get(self, request: Request) -> IndexEntry | None:
        """The entry of an identical request, or None."""
        return self._entries.get(_request_key(request))


def _request_key(request: Request) -> RequestKey:
    return request.scope["path"], request.scope["query_string"], request.headers.get("accept")
