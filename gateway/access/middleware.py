"""The guard at the door: how often, how much, and who; everything else is for those behind it.

Requests from this very machine (Prometheus, `piekwacht doctor`) are not limited; those that came through
a proxy of ours count for the address that the proxy saw, and never see the machine room.
"""

import ipaddress
import json
import time
from collections.abc import Sequence
from http import HTTPStatus

import psycopg
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.access.authentication import Authenticator, Credential, credential_from_headers
from gateway.access.identity import Identity
from gateway.access.rate_limit import TokenBuckets, rate_limit_key
from gateway.access.settings import AccessSettings
from gateway.access.telemetry import REFUSED, REQUESTS

_INTERNAL_PATHS = frozenset({"/metrics", "/healthz", "/readyz"})


class _RefusedError(Exception):
    def __init__(self, status: int, reason: str, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.status, self.reason, self.detail, self.headers = status, reason, detail, headers


class AccessMiddleware:
    """ASGI middleware. Behind it, `scope["state"]` has `identity` (or None) and `address`."""

    def __init__(
        self, app: ASGIApp, settings: AccessSettings, authenticator: Authenticator, cookie: str, proxies: Sequence[str]
    ) -> None:
        self._app, self._settings, self._authenticator, self._cookie = app, settings, authenticator, cookie
        self._proxies = frozenset(proxies)
        self._anonymous_buckets, self._authenticated_buckets = (
            TokenBuckets(settings.requests_per_minute),
            TokenBuckets(settings.requests_per_minute_with_key),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let through, or refuse with a reason."""
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
            await self._app(scope, meter, _ResponseCounter(send, meter))

    async def _admit(self, scope: Scope) -> dict[str, object]:
        headers = Headers(scope=scope)
        address, local = self._client_address(scope, headers)
        if "x-forwarded-for" in headers and scope["path"] in _INTERNAL_PATHS:
            raise _RefusedError(404, "machine_room", "there is nothing here")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length[:18]) > self._settings.max_body_bytes:
            raise _body_too_long(self._settings.max_body_bytes)
        credential = credential_from_headers(headers, self._cookie)
        identity = self._authenticator.get_cached(credential) if credential else None
        if identity is None:
            _take_token(self._anonymous_buckets, None if local else rate_limit_key(address))
            identity = await self._identify(credential) if credential else None
        else:
            _take_token(self._authenticated_buckets, identity.key_id or identity.name)
        return {"identity": identity, "address": address}

    async def _identify(self, credential: Credential) -> Identity | None:
        try:
            identity = await self._authenticator.look_up(credential)
        except psycopg.Error:
            if credential.is_key:
                raise _RefusedError(503, "away", "the database does not answer; try again", retry_after="5") from None
            return None
        if identity is None and credential.is_key:
            raise _RefusedError(401, "no_such_key", "this key is not in force", www_authenticate="Bearer")
        return identity

    def _client_address(self, scope: Scope, headers: Headers) -> tuple[str, bool]:
        """(for whom, whether it is this machine itself)."""
        peer = scope["client"][0] if scope.get("client") else "local"
        forwarded = headers.get("x-forwarded-for")
        if peer not in self._proxies and peer != "local":
            return peer, False
        if forwarded is None:
            return peer, True
        forwarded_address = forwarded.rsplit(",", 1)[-1].strip()
        try:
            return str(ipaddress.ip_address(forwarded_address)), False
        except ValueError:
            return peer, False


def _take_token(buckets: TokenBuckets, client: str | None) -> None:
    wait = 0.0 if client is None else buckets.take_token(client, time.monotonic())
    if wait:
        seconds = str(int(wait) + 1)
        raise _RefusedError(429, "too_many", f"too many requests; try again in {seconds} s", retry_after=seconds)


def _body_too_long(max_bytes: int) -> _RefusedError:
    return _RefusedError(413, "too_long", f"a request may have {max_bytes} bytes")


class _BodyMeter:
    """Counts a body as it comes, and cuts it: who says nothing of its length is held to the same."""

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
    """Counts answers; where the body was cut, whatever the application makes of that becomes a 413."""

    def __init__(self, send: Send, meter: _BodyMeter) -> None:
        self._send, self._meter, self._replaced = send, meter, False

    async def __call__(self, message: Message) -> None:
        if self._replaced:
            return
        if message["type"] == "http.response.start":
            if self._meter.is_exceeded:
                self._replaced = True
                await _send_problem(self._send, _body_too_long(self._meter.max_bytes))
                return
            REQUESTS.labels(str(message["status"])).inc()
        await self._send(message)


async def _send_problem(send: Send, refusal: _RefusedError) -> None:
    REFUSED.labels(refusal.reason).inc()
    REQUESTS.labels(str(refusal.status)).inc()
    title = HTTPStatus(refusal.status).phrase
    body = json.dumps({"type": "about:blank", "title": title, "status": refusal.status, "detail": refusal.detail})
    headers = {"content-type": "application/problem+json", "content-length": str(len(body)), **refusal.headers}
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": raw})
    await send({"type": "http.response.body", "body": body.encode()})
