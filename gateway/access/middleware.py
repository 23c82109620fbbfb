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

from gateway.access.authentication import Credential, Doorkeeper, shown
from gateway.access.identity import Identity
from gateway.access.rate_limit import Buckets, household
from gateway.access.settings import AccessSettings
from gateway.access.telemetry import REFUSED, REQUESTS

_MACHINE_ROOM = frozenset({"/metrics", "/healthz", "/readyz"})


class _Refused(Exception):
    def __init__(self, status: int, reason: str, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.status, self.reason, self.detail, self.headers = status, reason, detail, headers


class Guard:
    """ASGI middleware. Behind it, `scope["state"]` has `identity` (or None) and `address`."""

    def __init__(
        self, app: ASGIApp, settings: AccessSettings, doorkeeper: Doorkeeper, cookie: str, proxies: Sequence[str]
    ) -> None:
        self._app, self._settings, self._doorkeeper, self._cookie = app, settings, doorkeeper, cookie
        self._proxies = frozenset(proxies)
        self._strangers, self._known = Buckets(settings.per_minute), Buckets(settings.per_minute_key)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let through, or refuse with a reason."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        meter = _Meter(receive, self._settings.longest_body)
        try:
            state = await self._admit(scope)
            scope["state"] = {**scope.get("state", {}), **state}
        except _Refused as refused:
            await _answer(send, refused)
        else:
            await self._app(scope, meter, _Answer(send, meter))

    async def _admit(self, scope: Scope) -> dict[str, object]:
        headers = Headers(scope=scope)
        address, local = self._address(scope, headers)
        if "x-forwarded-for" in headers and scope["path"] in _MACHINE_ROOM:
            raise _Refused(404, "machine_room", "there is nothing here")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length[:18]) > self._settings.longest_body:
            raise _too_long(self._settings.longest_body)
        credential = shown(headers, self._cookie)
        identity = self._doorkeeper.remembered(credential) if credential else None
        if identity is None:
            _spend(self._strangers, None if local else household(address))
            identity = await self._identify(credential) if credential else None
        else:
            _spend(self._known, identity.key or identity.name)
        return {"identity": identity, "address": address}

    async def _identify(self, credential: Credential) -> Identity | None:
        try:
            identity = await self._doorkeeper.look_up(credential)
        except psycopg.Error:
            if credential.is_key:
                raise _Refused(503, "away", "the database does not answer; try again", retry_after="5") from None
            return None
        if identity is None and credential.is_key:
            raise _Refused(401, "no_such_key", "this key is not in force", www_authenticate="Bearer")
        return identity

    def _address(self, scope: Scope, headers: Headers) -> tuple[str, bool]:
        """(for whom, whether it is this machine itself)."""
        peer = scope["client"][0] if scope.get("client") else "local"
        forwarded = headers.get("x-forwarded-for")
        if peer not in self._proxies and peer != "local":
            return peer, False
        if forwarded is None:
            return peer, True
        last = forwarded.rsplit(",", 1)[-1].strip()
        try:
            return str(ipaddress.ip_address(last)), False
        except ValueError:
            return peer, False


def _spend(buckets: Buckets, who: str | None) -> None:
    wait = 0.0 if who is None else buckets.take(who, time.monotonic())
    if wait:
        seconds = str(int(wait) + 1)
        raise _Refused(429, "too_many", f"too many requests; try again in {seconds} s", retry_after=seconds)


def _too_long(most: int) -> _Refused:
    return _Refused(413, "too_long", f"a request may have {most} bytes")


class _Meter:
    """Counts a body as it comes, and cuts it: who says nothing of its length is held to the same."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive, self._seen, self.most = receive, 0, most

    @property
    def over(self) -> bool:
        return self._seen > self.most

    async def __call__(self) -> Message:
        message = await self._receive()
        self._seen += len(message.get("body", b""))
        return {"type": "http.disconnect"} if self.over else message


class _Answer:
    """Counts answers; where the body was cut, whatever the application makes of that becomes a 413."""

    def __init__(self, send: Send, meter: _Meter) -> None:
        self._send, self._meter, self._replaced = send, meter, False

    async def __call__(self, message: Message) -> None:
        if self._replaced:
            return
        if message["type"] == "http.response.start":
            if self._meter.over:
                self._replaced = True
                await _answer(self._send, _too_long(self._meter.most))
                return
            REQUESTS.labels(str(message["status"])).inc()
        await self._send(message)


async def _answer(send: Send, refused: _Refused) -> None:
    REFUSED.labels(refused.reason).inc()
    REQUESTS.labels(str(refused.status)).inc()
    title = HTTPStatus(refused.status).phrase
    body = json.dumps({"type": "about:blank", "title": title, "status": refused.status, "detail": refused.detail})
    headers = {"content-type": "application/problem+json", "content-length": str(len(body)), **refused.headers}
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refused.status, "headers": raw})
    await send({"type": "http.response.body", "body": body.encode()})
