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

_MOST_BYTES = 64 * 2**20
_MOST_QUESTIONS = 2_000
_LARGE = 100_000


class Body:
    """The bytes of one answer, plain and packed, and how to recognise them."""

    def __init__(self, content: bytes, modified: datetime | None = None) -> None:
        self.content, self.modified = content, modified
        self._packed: bytes | None = None
        self._packing: asyncio.Future[bytes] | None = None
        # a checksum, not a cryptographic digest: it tells our own versions of one answer apart at a fifth of the cost
        self.etag = f'W/"{len(content):x}-{zlib.crc32(content):08x}{zlib.adler32(content):08x}"'

    @property
    def packed(self) -> bytes:
        """The same, gzipped."""
        if self._packed is None:
            self._packed = _pack(self.content)
        return self._packed

    async def pack(self) -> None:
        """Gzip what is large, once, in a thread: everybody else would wait for it."""
        if self._packed is None and len(self.content) > _LARGE:
            if self._packing is None:
                self._packing = asyncio.ensure_future(asyncio.to_thread(_pack, self.content))
            self._packed = await asyncio.shield(self._packing)


class Cache:
    """Bodies by the question they answer."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most, self._size = most_bytes, 0
        self._kept: OrderedDict[str, tuple[float, Body]] = OrderedDict()
        self._coming: dict[str, asyncio.Future[Body]] = {}

    async def get(self, key: str, fresh: float, make: Callable[[], Awaitable[Body]]) -> Body:
        """The body kept under `key` if younger than `fresh` seconds, else a new one, made once for all who wait."""
        kept = self.known(key, fresh)
        if kept is not None:
            return kept
        coming = self._coming.get(key)
        if coming is None:
            coming = self._coming[key] = asyncio.ensure_future(self._made(key, make))
            coming.add_done_callback(lambda _: self._coming.pop(key, None))
        return await asyncio.shield(coming)

    def known(self, key: str, fresh: float) -> Body | None:
        """The body kept under `key` if younger than `fresh` seconds."""
        kept = self._kept.get(key)
        if kept is None or time.monotonic() - kept[0] >= fresh:
            return None
        self._kept.move_to_end(key)
        return kept[1]

    async def _made(self, key: str, make: Callable[[], Awaitable[Body]]) -> Body:
        body = await make()
        self._forget(key)
        self._kept[key] = time.monotonic(), body
        self._size += len(body.content)
        while self._size > self._most:
            self._forget(next(iter(self._kept)))
        return body

    def _forget(self, key: str) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._size -= len(kept[1].content)


def _pack(content: bytes) -> bytes:
    return gzip.compress(content, compresslevel=1 if len(content) > _LARGE else 5, mtime=0)


Words = tuple[str, bytes, str | None]  # path, query as it came, Accept


@dataclass(frozen=True, kw_only=True)
class Known:
    """Where the answer to a question lies, how long it is believed, and what it is."""

    key: str
    fresh: float
    media: str


class Questions:
    """Those asked last, in the very words they were asked in."""

    def __init__(self) -> None:
        self._known: OrderedDict[Words, Known] = OrderedDict()

    def note(self, request: Request, known: Known) -> None:
        """Somebody asked this, and it was answered well."""
        self._known[_words(request)] = known
        while len(self._known) > _MOST_QUESTIONS:
            self._known.popitem(last=False)

    def get(self, request: Request) -> Known | None:
        """What is known of this question."""
        return self._known.get(_words(request))


def _words(request: Request) -> Words:
    return request.scope["path"], request.scope["query_string"], request.headers.get("accept")
