"""How a document becomes an answer: rendered once for many, with a tag by which nobody reads it twice."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from fastapi import Request, Response
from msgspec import json

from gateway.api.http.cache import Body, Known
from gateway.api.schemas.schema import LICENCE
from gateway.api.settings import ApiSettings

_WORTH_PACKING = 1_000

Make = Callable[[], Awaitable[object]]


async def answer(
    request: Request, make: Make, *, fresh: float = 1.0, media: str = "application/json", modified: str | None = None
) -> Response:
    """The document that `make` gives, encoded; 304 where the client has it. `modified` names its field of change."""

    async def encoded() -> Body:
        document = await make()
        content = document if isinstance(document, bytes) else json.encode(document)
        return Body(content, _modified(document, modified))

    key = question(request)
    body = await request.app.state.cache.get(key, fresh, encoded)
    request.app.state.questions.note(request, Known(key=key, fresh=fresh, media=media))
    return await packed(request, body, fresh=fresh, media=media)


def question(request: Request) -> str:
    """What is asked, whatever the order of its words."""
    return f"{request.url.path}?{sorted(request.query_params.multi_items())}"


async def packed(request: Request, body: Body, *, fresh: float, media: str) -> Response:
    """The same as `respond`; nobody waits while a large body is packed."""
    if _takes_gzip(request) and not _has(request, body):
        await body.pack()
    return respond(request, body, fresh=fresh, media=media)


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
    if len(content) > _WORTH_PACKING and _takes_gzip(request):
        content, headers["Content-Encoding"] = body.packed, "gzip"
    return Response(content, media_type=media, headers=headers)


def ownership(settings: ApiSettings) -> dict[str, str]:
    """Licence and maker as a header, for every kind of answer."""
    return {"Link": _link(settings.contact, settings.operator)}


@lru_cache
def _link(contact: str, operator: str) -> str:
    maker = f"<{quote(contact, safe=':/?#&=%')}>; rel=\"author\"; title*=UTF-8''{quote(operator)}"
    return f'<{LICENCE}>; rel="license", {maker}'


def _takes_gzip(request: Request) -> bool:
    return "gzip" in request.headers.get("accept-encoding", "")


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


def _modified(document: Any, name: str | None) -> datetime | None:  # noqa: ANN401 - any of the shapes
    """When the newest of the document's items changed, by the field of that name."""
    if name is None or isinstance(document, bytes):
        return None
    items = getattr(document, "items", None)
    found = [getattr(one, name) for one in (items if isinstance(items, list) else [document])]
    return datetime.fromisoformat(max(found)) if found else None
