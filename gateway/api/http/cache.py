"""Answers kept as bytes for a moment.

What is asked by many at one moment (a storm of phones after a peak) is read from the database once:
a question that is being answered is waited for, an answer stays fresh for the seconds its route says.
The house is bounded: the longest unused answers leave first.
"""

import asyncio
import gzip
import time
import zlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request

_MAX_BYTES = 64 * 2**20
_MAX_INDEXED_REQUESTS = 2_000
_LARGE_BYTES = 100_000


class Body:
    """The bytes of one answer, plain and packed, and how to recognise them."""

    def __init__(self, content: bytes, modified: datetime | None = None) -> None:
        self.content, self.modified = content, modified
        self._gzipped: bytes | None = None
        self._compression: asyncio.Future[bytes] | None = None
        # a checksum, not a cryptographic digest: it tells our own versions of one answer apart at a fifth of the cost
        self.etag = f'W/"{len(content):x}-{zlib.crc32(content):08x}{zlib.adler32(content):08x}"'

    @property
    def gzipped(self) -> bytes:
        """The same, gzipped."""
        if self._gzipped is None:
            self._gzipped = _gzip(self.content)
        return self._gzipped

    async def compress(self) -> None:
        """Gzip what is large, once, in a thread: everybody else would wait for it."""
        if self._gzipped is None and len(self.content) > _LARGE_BYTES:
            if self._compression is None:
                self._compression = asyncio.ensure_future(asyncio.to_thread(_gzip, self.content))
            self._gzipped = await asyncio.shield(self._compression)


class Cache:
    """Bodies by the question they answer."""

    def __init__(self, max_bytes: int = _MAX_BYTES) -> None:
        self._max_bytes, self._size = max_bytes, 0
        self._entries: OrderedDict[str, tuple[float, Body]] = OrderedDict()
        self._pending: dict[str, asyncio.Future[Body]] = {}

    async def get(self, key: str, max_age: float, make: Callable[[], Awaitable[Body]]) -> Body:
        """The body kept under `key` if younger than `fresh` seconds, else a new one, made once for all who wait."""
        body = self.find_fresh(key, max_age)
        if body is not None:
            return body
        pending = self._pending.get(key)
        if pending is None:
            pending = self._pending[key] = asyncio.ensure_future(self._fill(key, make))
            pending.add_done_callback(lambda _: self._pending.pop(key, None))
        return await asyncio.shield(pending)

    def find_fresh(self, key: str, max_age: float) -> Body | None:
        """The body kept under `key` if younger than `fresh` seconds."""
        entry = self._entries.get(key)
        if entry is None or time.monotonic() - entry[0] >= max_age:
            return None
        self._entries.move_to_end(key)
        return entry[1]

    async def _fill(self, key: str, make: Callable[[], Awaitable[Body]]) -> Body:
        body = await make()
        self._evict(key)
        self._entries[key] = time.monotonic(), body
        self._size += len(body.content)
        while self._size > self._max_bytes:
            self._evict(next(iter(self._entries)))
        return body

    def _evict(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._size -= len(entry[1].content)


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, compresslevel=1 if len(content) > _LARGE_BYTES else 5, mtime=0)


RequestKey = tuple[str, bytes, str | None]  # path, query as it came, Accept


@dataclass(frozen=True, kw_only=True)
class IndexEntry:
    """Where the answer to a question lies, how long it is believed, and what it is."""

    key: str
    max_age: float
    media: str


class RequestIndex:
    """Those asked last, in the very words they were asked in."""

    def __init__(self) -> None:
        self._entries: OrderedDict[RequestKey, IndexEntry] = OrderedDict()

    def add(self, request: Request, entry: IndexEntry) -> None:
        """Somebody asked this, and it was answered well."""
        self._entries[_request_key(request)] = entry
        while len(self._entries) > _MAX_INDEXED_REQUESTS:
            self._entries.popitem(last=False)

    def get(self, request: Request) -> IndexEntry | None:
        """What is known of this question."""
        return self._entries.get(_request_key(request))


def _request_key(request: Request) -> RequestKey:
    return request.scope["path"], request.scope["query_string"], request.headers.get("accept")
