"""How a document becomes an answer: rendered once for many, with a tag by which nobody reads it twice.

What is asked by many at one moment (a storm of phones after a peak) is read from the database once:
a question that is being answered is waited for, an answer stays fresh for the seconds its route says.
The house is bounded: the longest unused answers leave first.
"""

import asyncio
import gzip
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import cached_property
from typing import Any
from urllib.parse import quote

from fastapi import Request, Response
from msgspec import json

from gateway.api.representations import LICENCE
from gateway.api.settings import ApiSettings

_MOST_BYTES = 64 * 2**20
_WORTH_PACKING = 1_000

Make = Callable[[], Awaitable[object]]


class Body:
    """The bytes of one answer, plain and packed, and how to recognise them."""

    def __init__(self, content: bytes, modified: datetime | None = None) -> None:
        self.content, self.modified = content, modified
        self.etag = f'W/"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'

    @cached_property
    def packed(self) -> bytes:
        """The same, gzipped."""
        return gzip.compress(self.content, compresslevel=5, mtime=0)


class Cache:
    """Bodies by the question they answer."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most, self._size = most_bytes, 0
        self._kept: OrderedDict[str, tuple[float, Body]] = OrderedDict()
        self._coming: dict[str, asyncio.Future[Body]] = {}

    async def get(self, key: str, fresh: float, make: Callable[[], Awaitable[Body]]) -> Body:
        """The body kept under `key` if younger than `fresh` seconds, else a new one, made once for all who wait."""
        kept = self._kept.get(key)
        if kept is not None and time.monotonic() - kept[0] < fresh:
            self._kept.move_to_end(key)
            return kept[1]
        coming = self._coming.get(key)
        if coming is None:
            coming = self._coming[key] = asyncio.ensure_future(self._made(key, make))
            coming.add_done_callback(lambda _: self._coming.pop(key, None))
        return await asyncio.shield(coming)

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


async def answer(
    request: Request, make: Make, *, fresh: float = 1.0, media: str = "application/json", modified: str | None = None
) -> Response:
    """The document that `make` gives, encoded; 304 where the client has it. `modified` names its field of change."""

    async def encoded() -> Body:
        document = await make()
        content = document if isinstance(document, bytes) else json.encode(document)
        return Body(content, _modified(document, modified))

    body = await request.app.state.cache.get(question(request), fresh, encoded)
    return respond(request, body, fresh=fresh, media=media)


def question(request: Request) -> str:
    """What is asked, whatever the order of its words."""
    return f"{request.url.path}?{sorted(request.query_params.multi_items())}"


def respond(request: Request, body: Body, *, fresh: float, media: str) -> Response:
    """The body as an answer to this request, packed where it can be."""
    headers = {
        "ETag": body.etag,
        "Cache-Control": f"public, max-age={max(0, round(fresh))}",
        "Vary": "Accept, Accept-Encoding",
        **ownership(request.app.state.settings),
    }
    if body.modified is not None:
        headers["Last-Modified"] = format_datetime(body.modified.astimezone(UTC), usegmt=True)
    if _has(request, body):
        return Response(status_code=304, headers=headers)
    content = body.content
    if len(content) > _WORTH_PACKING and "gzip" in request.headers.get("accept-encoding", ""):
        content, headers["Content-Encoding"] = body.packed, "gzip"
    return Response(content, media_type=media, headers=headers)


def ownership(settings: ApiSettings) -> dict[str, str]:
    """Licence and maker as a header, for every kind of answer."""
    maker = f"<{quote(settings.contact, safe=':/?#&=%')}>; rel=\"author\"; title*=UTF-8''{quote(settings.operator)}"
    return {"Link": f'<{LICENCE}>; rel="license", {maker}'}


def _has(request: Request, body: Body) -> bool:
    """Whether the client's copy is this very one (RFC 9110, 13.1)."""
    tags = request.headers.get("if-none-match")
    if tags is not None:
        return tags.strip() == "*" or body.etag in {tag.strip() for tag in tags.split(",")}
    since = request.headers.get("if-modified-since")
    if since is None or body.modified is None:
        return False
    try:
        return body.modified.replace(microsecond=0) <= parsedate_to_datetime(since).astimezone(UTC)
    except (ValueError, OverflowError):
        return False


def _modified(document: Any, name: str | None) -> datetime | None:  # noqa: ANN401 - any of the representations
    """When the newest of the document's items changed, by the field of that name."""
    if name is None or isinstance(document, bytes):
        return None
    items = getattr(document, "items", None)
    found = [getattr(one, name) for one in (items if isinstance(items, list) else [document])]
    return datetime.fromisoformat(max(found)) if found else None
