"""Headers on every answer: who may embed it, what it may load, which version it is. And the largest question."""

from collections.abc import Mapping

from starlette.datastructures import Headers as Given
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.http.problems import problem

VERSION = "1.0.0"
LONGEST_ADDRESS = 4_096
LARGEST_BODY = 65_536

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors "
)
EVERYWHERE = {
    "Content-Security-Policy": _POLICY + "'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # without any, a browser would not say that a form is ours
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "Permissions-Policy": "geolocation=(), camera=(), microphone=()",
}
API = {"API-Version": VERSION, "Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "API-Version, Link"}
_OPEN = ("/api/", "/feeds/")


def widget_policy() -> dict[str, str]:
    """For the one page that others may show in a frame."""
    return {"Content-Security-Policy": _POLICY + "*"}


Raw = tuple[tuple[bytes, bytes], ...]


def _raw(headers: Mapping[str, str]) -> Raw:
    every = {**headers, "Cache-Control": "no-store"}
    return tuple((name.lower().encode(), value.encode()) for name, value in every.items())


_RAW, _RAW_API = _raw(EVERYWHERE), _raw(EVERYWHERE | API)
_RAW_FRAMED = _raw({name: value for name, value in EVERYWHERE.items() if name != "X-Frame-Options"} | widget_policy())


class Headers:
    """ASGI middleware; adds what an answer does not say itself, answers HEAD wherever there is a GET."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, with the headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        wanted, head = _of(scope["path"]), scope["method"] == "HEAD"

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                more = [(name, value) for name, value in wanted if name not in given]
                message = {**message, "headers": [*message["headers"], *more]}
            elif head:
                message = {**message, "body": b""}
            await send(message)

        refused = _too_large(scope)
        app = self._app if refused is None else refused
        await app({**scope, "method": "GET"} if head else scope, receive, with_headers)


def _of(path: str) -> Raw:
    if path.startswith(_OPEN):
        return _RAW_API
    return _RAW_FRAMED if path.startswith(("/widget/", "/nl/widget/", "/en/widget/")) else _RAW


def _too_large(scope: Scope) -> ASGIApp | None:
    """414 and 413, before anything reads it."""
    query = len(scope["query_string"])
    if query + len(scope.get("raw_path") or b"") > LONGEST_ADDRESS:
        return problem(414, f"the address has more than {LONGEST_ADDRESS} bytes; its query has {query}")
    length = Given(scope=scope).get("content-length", "0")
    if length.isdecimal() and int(length[:18]) > LARGEST_BODY:
        return problem(413, f"content-length: a body may have {LARGEST_BODY} bytes here")
    return None
