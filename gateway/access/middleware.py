"""ASGI middleware of the public API: rate limit, body size limit, authentication.

Requests from this machine itself (Prometheus, `piekwacht doctor`) have no rate limit. A request through one of our
proxies counts for the address that the proxy saw, and gets 404 for the internal paths.
"""

import json
import time
from collections.abc import Iterable
from http import HTTPStatus

import psycopg
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.access.authentication import Authenticator, Credential, credential_from_headers
from gateway.access.identity import Identity
from gateway.access.rate_limit import AnonymousLimit, TokenBuckets
from gateway.access.request_origin import SAFE_METHODS, OriginDecision, decide_origin, own_origins
from gateway.access.settings import AccessSettings
from gateway.access.telemetry import REFUSED, REQUESTS

RawHeaders = Iterable[tuple[bytes, bytes]]
_INTERNAL_PATHS = frozenset({"/metrics", "/healthz", "/readyz"})
GUEST_PATH = "/api/v1/guests"  # posts of foreign sensors: gateway.guests.receiver has their tokens and limits
_COOKIE_PATHS = ("/account",)  # their forms set or end a session
_ORIGIN_REFUSALS = {
    OriginDecision.OTHER_ORIGIN: "this request came from another site",
    OriginDecision.NO_ORIGIN: "with a session, a change needs the header Origin or Sec-Fetch-Site; a key needs neither",
}


class _RefusedError(Exception):  # becomes an answer in __call__
    def __init__(self, status: int, reason: str, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.status, self.reason, self.detail, self.headers = status, reason, detail, headers


class AccessMiddleware:
    """For the application, `scope["state"]` gets `identity` (or None) and `address`."""

    def __init__(  # noqa: PLR0917 - Starlette's form of a middleware
        self,
        app: ASGIApp,
        settings: AccessSettings,
        authenticator: Authenticator,
        anonymous_limit: AnonymousLimit,
        cookie: str,
        public_url: str,
    ) -> None:
        self._app, self._settings, self._authenticator, self._cookie = app, settings, authenticator, cookie
        self._public_url, self._anonymous_limit = public_url, anonymous_limit
        self._authenticated_buckets = TokenBuckets(settings.requests_per_minute_with_key)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward the request, or answer with the reason of its rejection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        meter = _BodyMeter(receive, self._settings.max_body_bytes)
        try:
            state = await self._admit(scope)
            scope["state"] = {**scope.get("state", {}), **state}
        except _RefusedError as refusal:
            await _send_problem(send, refusal)
        else:
            is_public = state["credential"] is None
            await self._app(scope, meter, _ResponseCounter(send, meter, is_public=is_public))

    async def _admit(self, scope: Scope) -> dict[str, object]:
        headers = Headers(scope=scope)
        peer = scope["client"][0] if scope.get("client") else "unknown"
        client = self._anonymous_limit.identify_client(peer, headers.getlist("x-forwarded-for"))
        if "x-forwarded-for" in headers and scope["path"] in _INTERNAL_PATHS:
            raise _RefusedError(404, "internal_path", "this path is internal")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length[:18]) > self._settings.max_body_bytes:
            raise _body_too_long(self._settings.max_body_bytes)
        if scope["method"] == "POST" and is_guest_path(scope["path"]):
            return {"identity": None, "address": client.address, "credential": None}
        credential = credential_from_headers(headers, self._cookie)
        self._require_own_origin(scope, headers, credential)
        identity = self._authenticator.get_cached(credential) if credential else None
        if identity is None:
            _require_token(self._anonymous_limit.take_token(client, time.monotonic()))
            identity = await self._identify(credential) if credential else None
        else:
            wait = self._authenticated_buckets.take_token(identity.key_id or identity.name, time.monotonic())
            _require_token(wait)
        return {"identity": identity, "address": client.address, "credential": credential}

    def _require_own_origin(self, scope: Scope, headers: Headers, credential: Credential | None) -> None:
        """Refuse a request of another site's page that relies on a cookie, or that would set one."""
        uses_cookie = scope["path"].startswith(_COOKIE_PATHS) if credential is None else not credential.is_key
        if scope["method"] in SAFE_METHODS or not uses_cookie:
            return
        origins = own_origins(self._public_url, headers.get("host", ""))
        decision = decide_origin(headers.get("origin"), headers.get("sec-fetch-site"), origins)
        if decision is not OriginDecision.SAME_ORIGIN:
            raise _RefusedError(403, decision.value, _ORIGIN_REFUSALS[decision])

    async def _identify(self, credential: Credential) -> Identity | None:
        try:
            identity = await self._authenticator.look_up(credential)
        except psycopg.Error:
            if credential.is_key:
                raise _RefusedError(
                    503, "database_unavailable", "the database does not answer; try again", retry_after="5"
                ) from None
            return None
        if identity is None and credential.is_key:
            raise _RefusedError(401, "invalid_key", "this key is not valid", www_authenticate="Bearer")
        return identity


def is_guest_path(path: str) -> bool:
    """Whether posts to a path are messages of foreign sensors."""
    return path == GUEST_PATH or path.startswith(f"{GUEST_PATH}/")


def _require_token(wait: float) -> None:
    if wait:
        seconds = str(int(wait) + 1)
        raise _RefusedError(429, "rate_limited", f"too many requests; try again in {seconds} s", retry_after=seconds)


def _body_too_long(max_bytes: int) -> _RefusedError:
    return _RefusedError(413, "body_too_large", f"a request body may have at most {max_bytes} bytes")


class _BodyMeter:
    """Counts the bytes of a body and cuts it at the limit, also without a content-length header."""

    def __init__(self, receive: Receive, max_bytes: int) -> None:
        self._receive, self._received, self.max_bytes = receive, 0, max_bytes

    @property
    def is_exceeded(self) -> bool:
        return self._received > self.max_bytes

    async def __call__(self) -> Message:
        message = await self._receive()
        self._received += len(message.get("body", b""))
        return {"type": "http.disconnect"} if self.is_exceeded else message


class _ResponseCounter:
    """Counts answers by status. If the body was cut, the application's answer is replaced by 413."""

    def __init__(self, send: Send, meter: _BodyMeter, *, is_public: bool) -> None:
        self._send, self._meter, self._is_public, self._replaced = send, meter, is_public, False

    async def __call__(self, message: Message) -> None:
        if self._replaced:
            return
        if message["type"] == "http.response.start":
            if self._meter.is_exceeded:
                self._replaced = True
                await _send_problem(self._send, _body_too_long(self._meter.max_bytes))
                return
            REQUESTS.labels(str(message["status"])).inc()
            if not self._is_public or any(name.lower() == b"set-cookie" for name, _ in message["headers"]):
                message = {**message, "headers": _keep_from_shared_caches(message["headers"])}
        await self._send(message)


def _keep_from_shared_caches(headers: RawHeaders) -> RawHeaders:
    """Let only the client itself store the answer to a request with a key or session, or one that sets a cookie.

    Each route states what is public. This holds for all of them, also if a later one forgets it.
    """
    return [
        (name, value.replace(b"public", b"private") if name.lower() == b"cache-control" else value)
        for name, value in headers
    ]


async def _send_problem(send: Send, refusal: _RefusedError) -> None:
    REFUSED.labels(refusal.reason).inc()
    REQUESTS.labels(str(refusal.status)).inc()
    title = HTTPStatus(refusal.status).phrase
    body = json.dumps({"type": "about:blank", "title": title, "status": refusal.status, "detail": refusal.detail})
    headers = {"content-type": "application/problem+json", "content-length": str(len(body)), **refusal.headers}
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": raw})
    await send({"type": "http.response.body", "body": body.encode()})
