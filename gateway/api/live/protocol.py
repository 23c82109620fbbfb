"""The door: HTTP as uvicorn speaks it, except that a live stream leaves it for a few bytes of its own.

Ten thousand open streams should cost ten thousand transports, not ten thousand ASGI tasks. A well-formed request
for the live feed is taken over here; everything else, and everything that is wrong with such a request, goes the
ordinary way. The door also closes on who does not send a request in time, head or body, whose head has no end, or who
does not read the answer.
"""

import asyncio
import ipaddress
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.api.live.hub import Hub
from gateway.api.live.routes import Asked, asked
from gateway.api.live.subscribers import Stream
from gateway.api.settings import ApiSettings

_LONGEST_HEAD = 65_536
_HEAD_SECONDS = 20.0
_BODY_SECONDS = 20.0  # ours are some kilobytes
_HELD = 16_384  # bytes of a body that wait here for the rest
_UNREAD_SECONDS = 60.0
PATH = b"/api/v1/live"


class HeadTooLongError(ValueError):
    """A request's head has no end; the parser makes it a 400."""


class Door(HttpToolsProtocol):
    """One connection."""

    def __init__(self, hub: Hub, settings: ApiSettings, link: bytes, **rest: Any) -> None:  # noqa: ANN401 - uvicorn's
        super().__init__(**rest)
        self._hub, self._settings, self._link = hub, settings, link
        self._size, self._taken = 0, False
        self._patience: asyncio.TimerHandle | None = None
        self._body: asyncio.TimerHandle | None = None
        self._held: bytearray | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A request has to follow soon."""
        super().connection_made(transport)
        self._patience = self.loop.call_later(_HEAD_SECONDS, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing stays behind."""
        self._stop_waiting()
        self._body_is_here()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not read: not for ever."""
        super().pause_writing()
        self._stop_waiting()
        self._patience = self.loop.call_later(_UNREAD_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads."""
        self._stop_waiting()
        super().resume_writing()

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _body_is_here(self) -> None:
        if self._body is not None:
            self._body.cancel()
            self._body = None

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._size = 0

    def on_url(self, url: bytes) -> None:
        """Part of the address."""
        self._grow(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._grow(len(name) + len(value))
        super().on_header(name, value)

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > _LONGEST_HEAD:
            raise HeadTooLongError

    def on_headers_complete(self) -> None:
        """Take the request over, or let it pass."""
        self._stop_waiting()
        path, _, query = self.url.partition(b"?")
        free = self.cycle is None or self.cycle.response_complete
        if path == PATH and free and self.parser.get_method() == b"GET" and not self.parser.should_upgrade():
            wanted = asked(query, self.headers)
            if isinstance(wanted, Asked) and self._let_in(wanted):
                return
        self._body = self.loop.call_later(_BODY_SECONDS, self.transport.abort)
        if self.parser.should_upgrade() or self.expect_100_continue:  # who waits for our word gets it
            super().on_headers_complete()
        else:
            self._held = bytearray()

    def _pass_on(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            super().on_headers_complete()
            super().on_body(bytes(held))

    def _let_in(self, wanted: Asked) -> bool:
        stream = Stream(wanted.wish, self._address(), self.transport, self._settings.lease, self._hub.leave)
        if not self._hub.join(stream, wanted.last_id):
            return False
        self._taken = True
        self.connections.discard(self)
        self.transport.set_protocol(stream)
        stream.begin(self._hub.missed(wanted.wish, wanted.last_id), self._link)
        return True

    def _address(self) -> str:
        """Whose part of the house it takes: behind a proxy of ours the address that the proxy names."""
        peer = self.client[0] if self.client else "local"
        return forwarded(peer, self.headers, self._settings.proxies)

    def on_body(self, body: bytes) -> None:
        """A stream's request has none."""
        if self._taken:
            return
        if self._held is None:
            super().on_body(body)
            return
        self._held += body
        if len(self._held) > _HELD:
            self._pass_on()

    def on_message_complete(self) -> None:
        """A stream's request is complete with its head."""
        self._body_is_here()
        if not self._taken:
            self._pass_on()
            super().on_message_complete()


def forwarded(peer: str, headers: list[tuple[bytes, bytes]], proxies: list[str]) -> str:
    """The address a connection is for: the last one in X-Forwarded-For where the peer is one of our proxies."""
    if peer not in proxies:
        return peer
    for name, value in headers:
        if name == b"x-forwarded-for":
            last = value.decode("latin-1").rsplit(",", 1)[-1].strip()
            try:
                return str(ipaddress.ip_address(last))
            except ValueError:
                return peer
    return peer
