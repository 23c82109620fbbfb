"""ASGI middleware for headers on every response: content policy, API version, CORS. It also limits request sizes."""

from collections.abc import Mapping

from starlette.datastructures import Headers as RequestHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.http.problems import build_problem

VERSION = "1.0.0"
MAX_URL_BYTES = 4_096
MAX_BODY_BYTES = 65_536

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors "
)
COMMON_HEADERS = {
    "Content-Security-Policy": _POLICY + "'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with "no-referrer" a browser would send no Origin with our own forms
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "Permissions-Policy": "geolocation=(), camera=(), microphone=()",
}
# of the first screen, whose script finds the nearest stations; it sends the position to nobody
PERMISSIONS_WITH_GEOLOCATION = "geolocation=(self), camera=(), microphone=()"
API_HEADERS = {
    "API-Version": VERSION,
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "API-Version, Link",
}
_OF_DOCUMENTS = {"X-Frame-Options", "Permissions-Policy"}  # browsers ignore them on scripts, styles and pictures
API_PREFIXES = ("/api/", "/feeds/", "/sta/", "/open_api/", "/airrohr/", "/ogc", "/wms")


def build_widget_policy() -> dict[str, str]:
    """For the widget, the only page that other sites may show in a frame."""
    return {"Content-Security-Policy": _POLICY + "*"}


EncodedHeaders = tuple[tuple[bytes, bytes], ...]


def _encode_headers(headers: Mapping[str, str]) -> EncodedHeaders:
    all_headers = {**headers, "Cache-Control": "no-store"}
    return tuple((name.lower().encode(), value.encode()) for name, value in all_headers.items())


_ENCODED_PAGE, _ENCODED_API = _encode_headers(COMMON_HEADERS), _encode_headers(COMMON_HEADERS | API_HEADERS)
_ENCODED_FILE = _encode_headers({name: value for name, value in COMMON_HEADERS.items() if name not in _OF_DOCUMENTS})
_ENCODED_WIDGET = _encode_headers(
    {name: value for name, value in COMMON_HEADERS.items() if name != "X-Frame-Options"} | build_widget_policy()
)


class HeadersMiddleware:
    """ASGI middleware: adds the headers that a response lacks, and answers HEAD for every GET."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        extra_headers, is_head = _select_headers(scope["path"]), scope["method"] == "HEAD"

        async def add_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = _add_missing_headers(message, extra_headers)
            elif is_head:
                message = {**message, "body": b""}
            await send(message)

        app = _refuse_oversized(scope) or self._app
        await app({**scope, "method": "GET"} if is_head else scope, receive, add_headers)


def _select_headers(path: str) -> EncodedHeaders:
    if path.startswith(API_PREFIXES):
        return _ENCODED_API
    if path.startswith("/static/"):
        return _ENCODED_FILE
    return _ENCODED_WIDGET if path.startswith(("/widget/", "/nl/widget/", "/en/widget/")) else _ENCODED_PAGE


def _add_missing_headers(message: Message, extra_headers: EncodedHeaders) -> Message:
    """The start of a response with those of the headers that it lacks."""
    present_names = {name.lower() for name, _ in message["headers"]}
    missing_headers = [(name, value) for name, value in extra_headers if name not in present_names]
    return {**message, "headers": [*message["headers"], *missing_headers]}


def _refuse_oversized(scope: Scope) -> ASGIApp | None:
    """The 414 or 413 response, before anything reads the request; None if its size is allowed."""
    query = len(scope["query_string"])
    if query + len(scope.get("raw_path") or b"") > MAX_URL_BYTES:
        return build_problem(414, f"the address has more than {MAX_URL_BYTES} bytes; its query has {query}")
    length = RequestHeaders(scope=scope).get("content-length", "0")
    if length.isdecimal() and int(length[:18]) > MAX_BODY_BYTES:
        return build_problem(413, f"content-length: a body may have {MAX_BODY_BYTES} bytes here")
    return None
