"""Viewers of the live feed: one for server-sent events on a bare transport, and one for a WebSocket.

Both have a bounded backlog: unread values are replaced by newer ones, events never. A viewer that does not read for
ten seconds, or leaves more than 500 events unread, is disconnected.
"""

import asyncio
import random
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress

from gateway.api.http.headers import API_HEADERS, COMMON_HEADERS
from gateway.api.live.frames import Backlog, LiveUpdate, Subscription, encode_sse
from gateway.api.settings import ApiSettings
from gateway.api.telemetry import DROPPED

STALL_TIMEOUT = 10.0  # s without reading
_WRITE_BUFFER_BYTES = 32_768  # in this process, before a viewer counts as slow
_SEND_BUFFER_BYTES = 65_536  # in the kernel, per viewer
_HEARTBEAT = b": here\n\n"


class Viewer(ABC):
    """One open stream. `seen_commit`: the viewer has commits up to this one already."""

    __slots__ = ("address", "seen_commit", "subscription")

    def __init__(self, subscription: Subscription, address: str) -> None:
        self.subscription, self.address, self.seen_commit = subscription, address, 0

    @abstractmethod
    def offer(self, frame: bytes, update: LiveUpdate | None) -> None:
        """Write the frame, or put the update into the backlog; never waits. Update None: the frame is `stale`."""

    @abstractmethod
    def maintain(self, now: float, *, quiet: bool) -> None:
        """Called every half second: send a heartbeat if `quiet`, close after `[api] stream_seconds`."""

    @abstractmethod
    def end(self) -> None:
        """Close the stream."""


class SubscriberGroup:
    """Viewers with equal subscriptions, so that a frame is rendered once for all of them."""

    __slots__ = ("last_sent_at", "viewers")

    def __init__(self) -> None:
        self.viewers: set[Viewer] = set()
        self.last_sent_at = time.monotonic()


def _build_head() -> bytes:
    lines = {
        "Content-Type": "text/event-stream; charset=utf-8",
        "Cache-Control": "no-store",
        "X-Accel-Buffering": "no",
        "Connection": "close",
        **COMMON_HEADERS,
        **API_HEADERS,
    }
    return "".join(["HTTP/1.1 200 OK\r\n", *(f"{k}: {v}\r\n" for k, v in lines.items()), "\r\n"]).encode()


RESPONSE_HEAD = _build_head()


class SseViewer(Viewer, asyncio.Protocol):
    """Server-sent events, written directly to the transport: one or two kilobytes per viewer."""

    __slots__ = ("_backlog", "_ends_at", "_leave", "_paused_at", "_transport")

    def __init__(
        self,
        subscription: Subscription,
        address: str,
        transport: asyncio.Transport,
        stream_seconds: float,
        leave: Callable[[Viewer], None],
    ) -> None:
        super().__init__(subscription, address)
        self._transport, self._leave = transport, leave
        self._ends_at = time.monotonic() + stream_seconds
        self._paused_at: float | None = None
        self._backlog: Backlog | None = None

    def begin(self, missed_frames: bytes, link_header: bytes) -> None:
        """Write the head of the response and the frames that this viewer missed."""
        self._transport.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        retry = random.randint(1_000, 4_000)  # noqa: S311 - spreads reconnects, needs no cryptographic randomness
        self._transport.write(RESPONSE_HEAD[:-2] + link_header + b"\r\nretry: %d\n\n" % retry + missed_frames)

    def offer(self, frame: bytes, update: LiveUpdate | None) -> None:
        """See Viewer; a full buffer sends the update to the backlog."""
        if self._paused_at is None:
            self._transport.write(frame)
            return
        if self._backlog is None:
            self._backlog = Backlog()
        if not self._backlog.add(update):
            self._disconnect()

    def pause_writing(self) -> None:
        """The buffer is full: collect updates in the backlog."""
        self._paused_at = time.monotonic()

    def resume_writing(self) -> None:
        """The viewer reads again: write the backlog."""
        self._paused_at = None
        backlog, self._backlog = self._backlog, None
        if backlog is not None:
            stale, update = backlog.drain()
            self._transport.write((b"event: stale\ndata: {}\n\n" if stale else b"") + encode_sse(update))

    def maintain(self, now: float, *, quiet: bool) -> None:
        """See Viewer."""
        if self._paused_at is not None:
            if now - self._paused_at > STALL_TIMEOUT:
                self._disconnect()
        elif now > self._ends_at:
            self.end()
        elif quiet:
            self._transport.write(_HEARTBEAT)

    def _disconnect(self) -> None:
        DROPPED.labels("too_slow").inc()
        self._transport.abort()
        self._leave(self)

    def end(self) -> None:
        """See Viewer; a transport with unread bytes is aborted."""
        if self._paused_at is None:
            self._transport.close()
        else:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The viewer is gone."""
        del exc
        self._leave(self)

    def data_received(self, data: bytes) -> None:
        """Ignore what a viewer sends."""

    def eof_received(self) -> None:
        """The viewer closed its side; it may still read."""


class SocketViewer(Viewer):
    """A WebSocket. The task of its connection waits for `wake_up`, drains the backlog and writes."""

    __slots__ = ("_ends_at", "backlog", "closed", "heartbeat_due", "wake_up")

    def __init__(self, subscription: Subscription, address: str, settings: ApiSettings) -> None:
        super().__init__(subscription, address)
        self._ends_at = time.monotonic() + settings.stream_seconds
        self.backlog, self.wake_up = Backlog(), asyncio.Event()
        self.closed = self.heartbeat_due = False

    def offer(self, frame: bytes, update: LiveUpdate | None) -> None:
        """See Viewer."""
        del frame
        if not self.backlog.add(update):
            DROPPED.labels("too_slow").inc()
            self.closed = True
        self.wake_up.set()

    def maintain(self, now: float, *, quiet: bool) -> None:
        """See Viewer."""
        if now > self._ends_at:
            self.end()
        elif quiet:
            self.heartbeat_due = True
            self.wake_up.set()

    def end(self) -> None:
        """See Viewer."""
        self.closed = True
        self.wake_up.set()
