"""Turns documents into responses: cached, gzipped, and with an ETag so that clients need not download them again."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache
from types import MappingProxyType
from urllib.parse import quote

from fastapi import Request, Response
from msgspec import json

from gateway.api.http.cache import Body, IndexEntry
from gateway.api.schemas.schema import LICENCE, state_licence_once
from gateway.api.settings import ApiSettings
from gateway.export.selection import TableFormat
from gateway.export.tables import DIALECTS

_MIN_GZIP_BYTES = 1_000
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})

MakeDocument = Callable[[], Awaitable[object]]


async def respond_cached(
    request: Request,
    make: MakeDocument,
    *,
    max_age: float = 1.0,
    media: str = "application/json",
    modified_field: str | None = None,
    headers: Mapping[str, str] = _NO_HEADERS,
) -> Response:
    """The document of `make` as JSON, or 304. `modified_field`: the time of change, for Last-Modified.

    `headers` stand in every response to this request, from the cache too.
    """

    async def encode_body() -> Body:
        document = await make()
        content = document if isinstance(document, bytes) else json.encode(state_licence_once(document))
        return Body(content, _last_modified(document, modified_field))

    key = cache_key(request)
    body = await request.app.state.cache.get(key, max_age, encode_body)
    request.app.state.request_index.add(request, IndexEntry(key=key, max_age=max_age, media=media, headers=headers))
    return await respond_compressed(request, body, max_age=max_age, media=media, headers=headers)


def cache_key(request: Request) -> str:
    """Path and query, independent of the order of the parameters."""
    return f"{request.url.path}?{sorted(request.query_params.multi_items())}"


async def respond_compressed(
    request: Request, body: Body, *, max_age: float, media: str, headers: Mapping[str, str] = _NO_HEADERS
) -> Response:
    """The same as `respond`, but a large body is gzipped in a thread."""
    if _accepts_gzip(request) and not _has_current_copy(request, body):
        await body.compress()
    return respond(request, body, max_age=max_age, media=media, headers=headers)


def respond(
    request: Request, body: Body, *, max_age: float, media: str, headers: Mapping[str, str] = _NO_HEADERS
) -> Response:
    """The body as a response to this request, gzipped if the client accepts it; 304 if the client has it."""
    headers = {
        **headers,
        "ETag": body.etag,
        "Cache-Control": f"public, max-age={max(0, round(max_age))}",
        "Vary": "Accept, Accept-Encoding",
        **licence_headers(request.app.state.settings),
    }
    if body.modified is not None:
        headers["Last-Modified"] = format_datetime(body.modified.astimezone(UTC), usegmt=True)
    if _has_current_copy(request, body):
        return Response(status_code=304, headers=headers)
    content = body.content
    if len(content) > _MIN_GZIP_BYTES and _accepts_gzip(request):
        content, headers["Content-Encoding"] = body.gzipped, "gzip"
    return Response(content, media_type=media, headers=headers)


def licence_headers(settings: ApiSettings) -> dict[str, str]:
    """Licence and author as a Link header, for every format."""
    return {"Link": _licence_link(settings.contact, settings.operator)}


def attachment_headers(file_stem: str, format_: TableFormat) -> dict[str, str]:
    """The file name under which a browser saves a table."""
    name = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in file_stem)
    dialect = DIALECTS.get(format_)
    suffix = f".{format_}" if dialect is None else dialect.file_suffix
    return {"Content-Disposition": f'attachment; filename="{name}{suffix}"'}


@lru_cache
def _licence_link(contact: str, operator: str) -> str:
    author = f"<{quote(contact, safe=':/?#&=%')}>; rel=\"author\"; title*=UTF-8''{quote(operator)}"
    return f'<{LICENCE}>; rel="license", {author}'


def _accepts_gzip(request: Request) -> bool:
    return "gzip" in request.headers.get("accept-encoding", "")


def _has_current_copy(request: Request, body: Body) -> bool:
    """Whether the client's copy is current (RFC 9110, 13.1)."""
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


def _last_modified(document: object, name: str | None) -> datetime | None:
    """The latest value of that field among the document's items."""
    if name is None or isinstance(document, bytes):
        return None
    items = getattr(document, "items", None)
    times = [getattr(item, name) for item in (items if isinstance(items, list) else [document])]
    return datetime.fromisoformat(max(times)) if times else None
