"""uvicorn's HTTP protocol, except that a request for the live feed is handed to a viewer object.

`app.serve` gives it to uvicorn. Ten thousand open streams should cost ten thousand transports, not ten thousand ASGI
tasks. A valid request for the live feed is taken over here; any other request, and an invalid one, goes through ASGI.
The protocol also closes connections that exceed the timeouts for head, body or response, or the size limit of the head.
It reads attributes that uvicorn does not document; tests/gateway/api/live/test_protocol.py names them.
"""

import asyncio
import time
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.access.rate_limit import Client, rate_limit_key
from gateway.api.live.admission import Admission
from gateway.api.live.hub import Hub
from gateway.api.live.request import LiveRequest, parse_live_request
from gateway.api.live.subscribers import SseViewer
from gateway.api.settings import ApiSettings

_MAX_HEAD_BYTES = 65_536
_MAX_HEADERS = 200
_HEAD_TIMEOUT = 20.0  # s
_BODY_TIMEOUT = 20.0  # s; valid bodies have a few kilobytes
_MAX_HELD_BYTES = 16_384  # of a body, until it is complete
_WRITE_TIMEOUT = 60.0  # s
LIVE_PATH = b"/api/v1/live"


class InvalidHeadError(ValueError):
    """The head exceeds its limits, or a proxy could read it otherwise; the parser turns this into a 400."""


class LiveProtocol(HttpToolsProtocol):
    """One HTTP connection."""

    def __init__(  # uvicorn's own arguments have any type
        self,
        hub: Hub,
        admission: Admission,
        settings: ApiSettings,
        link_header: bytes,
        **protocol_options: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(**protocol_options)
        self._hub, self._admission, self._settings, self._link_header = hub, admission, settings, link_header
        self._head_size = self._header_count = self._host_count = 0
        self._is_live_stream = self._head_complete = False
        self._deadline: asyncio.TimerHandle | None = None
        self._body_deadline: asyncio.TimerHandle | None = None
        self._held_body: bytearray | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timeout for the head of the first request."""
        super().connection_made(transport)
        self._deadline = self.loop.call_later(_HEAD_TIMEOUT, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel both timeouts."""
        self._cancel_deadline()
        self._cancel_body_deadline()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not read: start the write timeout."""
        super().pause_writing()
        self._cancel_deadline()
        self._deadline = self.loop.call_later(_WRITE_TIMEOUT, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads again."""
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
        """Reset the size of the head."""
        super().on_message_begin()
        self._head_size = self._header_count = self._host_count = 0
        self._head_complete = False

    def on_url(self, url: bytes) -> None:
        """Count part of the address."""
        self._count_head_bytes(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count one header. Fields after the body are no headers: a client could add a false X-Forwarded-For there."""
        self._count_head_bytes(len(name) + len(value))
        if self._head_complete:
            return
        self._header_count += 1
        lower_name = name.lower()
        self._host_count += lower_name == b"host"
        if self._header_count > _MAX_HEADERS:
            raise InvalidHeadError
        if lower_name == b"transfer-encoding" and value.strip().lower() != b"chunked":
            raise InvalidHeadError
        super().on_header(name, value)

    def _count_head_bytes(self, size: int) -> None:
        self._head_size += size
        if self._head_size > _MAX_HEAD_BYTES:
            raise InvalidHeadError

    def _check_head(self) -> None:
        """Refuse HTTP/0.9, and any number of hosts but one (RFC 9112, 3.2): proxies disagree about these."""
        version = self.parser.get_http_version()
        if version not in {"1.0", "1.1"} or self._host_count > 1 or (version == "1.1" and not self._host_count):
            raise InvalidHeadError

    def on_headers_complete(self) -> None:
        """Take over a live request, or pass the request on to uvicorn."""
        self._cancel_deadline()
        self._head_complete = True
        self._check_head()
        path, _, query = self.url.partition(b"?")
        is_idle = self.cycle is None or self.cycle.response_complete
        if path == LIVE_PATH and is_idle and self.parser.get_method() == b"GET" and not self.parser.should_upgrade():
            live_request = parse_live_request(query, self.headers)
            if isinstance(live_request, LiveRequest) and self._start_stream(live_request):
                return
        self._body_deadline = self.loop.call_later(_BODY_TIMEOUT, self.transport.abort)
        if self.parser.should_upgrade() or self.expect_100_continue:  # the client waits for a response first
            super().on_headers_complete()
        else:
            self._held_body = bytearray()

    def _forward_request(self) -> None:
        body, self._held_body = self._held_body, None
        if body is not None:
            super().on_headers_complete()
            super().on_body(bytes(body))

    def _start_stream(self, live_request: LiveRequest) -> bool:
        """Whether the stream began; otherwise the route answers 429 or 503."""
        client = self._identify_client()
        address = rate_limit_key(client.address)
        if not self._hub.has_room(address) or not self._admission.admit(client, time.monotonic()):
            return False
        stream = SseViewer(
            live_request.subscription, address, self.transport, self._settings.stream_seconds, self._hub.leave
        )
        self._hub.join(stream, live_request.last_id)
        self._is_live_stream = True
        self.connections.discard(self)
        self.transport.set_protocol(stream)
        stream.begin(self._hub.find_replay(live_request.subscription, live_request.last_id).sse, self._link_header)
        return True

    def _identify_client(self) -> Client:
        peer = self.client[0] if self.client else "unknown"
        forwarded = [value.decode("latin-1") for name, value in self.headers if name == b"x-forwarded-for"]
        return self._admission.identify_client(peer, forwarded)

    def on_body(self, body: bytes) -> None:
        """Hold the body until it is complete or larger than 16 KiB; a live stream ignores it."""
        if self._is_live_stream:
            return
        if self._held_body is None:
            super().on_body(body)
            return
        self._held_body += body
        if len(self._held_body) > _MAX_HELD_BYTES:
            self._forward_request()

    def on_message_complete(self) -> None:
        """Pass on what was held."""
        self._cancel_body_deadline()
        if not self._is_live_stream:
            self._forward_request()
            super().on_message_complete()
