"""The door: HTTP as uvicorn speaks it, except that a live stream leaves it for a few bytes of its own.

Ten thousand open streams should cost ten thousand transports, not ten thousand ASGI tasks. A well-formed request
for the live feed is taken over here; everything else, and everything that is wrong with such a request, goes the
ordinary way. The door also closes on who does not send a request in time, head or body, whose head has no end, or who
does not read the answer.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.access.client_address import client_address
from gateway.api.live.hub import Hub
from gateway.api.live.routes import LiveRequest, parse_live_request
from gateway.api.live.subscribers import SseViewer
from gateway.api.settings import ApiSettings

_MAX_HEAD_BYTES = 65_536
_HEAD_TIMEOUT = 20.0
_BODY_TIMEOUT = 20.0  # ours are some kilobytes
_MAX_HELD_BYTES = 16_384  # bytes of a body that wait here for the rest
_WRITE_TIMEOUT = 60.0
LIVE_PATH = b"/api/v1/live"


class HeadTooLongError(ValueError):
    """A request's head has no end; the parser makes it a 400."""


class LiveProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, hub: Hub, settings: ApiSettings, link_header: bytes, **protocol_options: Any) -> None:  # noqa: ANN401 - uvicorn's
        super().__init__(**protocol_options)
        self._hub, self._settings, self._link_header = hub, settings, link_header
        self._head_size, self._is_live_stream = 0, False
        self._deadline: asyncio.TimerHandle | None = None
        self._body_deadline: asyncio.TimerHandle | None = None
        self._held_body: bytearray | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A request has to follow soon."""
        super().connection_made(transport)
        self._deadline = self.loop.call_later(_HEAD_TIMEOUT, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing stays behind."""
        self._cancel_deadline()
        self._cancel_body_deadline()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not read: not for ever."""
        super().pause_writing()
        self._cancel_deadline()
        self._deadline = self.loop.call_later(_WRITE_TIMEOUT, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads."""
        self._cancel_deadline()
        super().resume_writing()

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _cancel_body_deadline(self) -> None:
        if self._body_deadline is not None:
            self._body_deadline.cancel()
            self._body_deadline = None

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._head_size = 0

    def on_url(self, url: bytes) -> None:
        """Part of the address."""
        self._count_head_bytes(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._count_head_bytes(len(name) + len(value))
        super().on_header(name, value)

    def _count_head_bytes(self, size: int) -> None:
        self._head_size += size
        if self._head_size > _MAX_HEAD_BYTES:
            raise HeadTooLongError

    def on_headers_complete(self) -> None:
        """Take the request over, or let it pass."""
        self._cancel_deadline()
        path, _, query = self.url.partition(b"?")
        is_idle = self.cycle is None or self.cycle.response_complete
        if path == LIVE_PATH and is_idle and self.parser.get_method() == b"GET" and not self.parser.should_upgrade():
            live_request = parse_live_request(query, self.headers)
            if isinstance(live_request, LiveRequest) and self._start_stream(live_request):
                return
        self._body_deadline = self.loop.call_later(_BODY_TIMEOUT, self.transport.abort)
        if self.parser.should_upgrade() or self.expect_100_continue:  # who waits for our word gets it
            super().on_headers_complete()
        else:
            self._held_body = bytearray()

    def _forward_request(self) -> None:
        body, self._held_body = self._held_body, None
        if body is not None:
            super().on_headers_complete()
            super().on_body(bytes(body))

    def _start_stream(self, live_request: LiveRequest) -> bool:
        stream = SseViewer(
            live_request.subscription,
            self._client_address(),
            self.transport,
            self._settings.stream_seconds,
            self._hub.leave,
        )
        if not self._hub.join(stream, live_request.last_id):
            return False
        self._is_live_stream = True
        self.connections.discard(self)
        self.transport.set_protocol(stream)
        stream.begin(self._hub.render_missed(live_request.subscription, live_request.last_id), self._link_header)
        return True

    def _client_address(self) -> str:
        """The address that the stream counts for, by the rule of the access middleware."""
        peer = self.client[0] if self.client else "unknown"
        forwarded = [value.decode("latin-1") for name, value in self.headers if name == b"x-forwarded-for"]
        return client_address(peer, forwarded, self._settings.trusted_proxies)[0]

    def on_body(self, body: bytes) -> None:
        """A stream's request has none."""
        if self._is_live_stream:
            return
        if self._held_body is None:
            super().on_body(body)
            return
        self._held_body += body
        if len(self._held_body) > _MAX_HELD_BYTES:
            self._forward_request()

    def on_message_complete(self) -> None:
        """A stream's request is complete with its head."""
        self._cancel_body_deadline()
        if not self._is_live_stream:
            self._forward_request()
            super().on_message_complete()
