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
from gateway.api.live.frames import Backlog, LiveUpdate, Replay, Subscription
from gateway.api.live.marks import Marks
from gateway.api.settings import ApiSettings
from gateway.api.telemetry import DROPPED

STALL_TIMEOUT = 10.0  # s without reading
_WRITE_BUFFER_BYTES = 16_384  # in this process, before a viewer counts as slow
_PIECE_BYTES = 16_384  # written at once; the rest of a frame stays one object that its viewers share
_SEND_BUFFER_BYTES = 65_536  # in the kernel, per viewer
_HEARTBEAT = b": here\n\n"


class Viewer(ABC):
    """One open stream.

    `address`: the client of `rate_limit_key`. `seen_commit`: the viewer has commits up to this one already.
    `stalled_at`: since when it does not read, in seconds of the monotonic clock; None while it reads.
    """

    __slots__ = ("address", "seen_commit", "stalled_at", "subscription")

    def __init__(self, subscription: Subscription, address: str) -> None:
        self.subscription, self.address, self.seen_commit = subscription, address, 0
        self.stalled_at: float | None = None

    @abstractmethod
    def offer(self, frame: bytes, update: LiveUpdate | None) -> None:
        """Write the frame, or put the update into the backlog; never waits. Update None: the frame is `stale`."""

    @abstractmethod
    def maintain(self, now: float, *, quiet: bool) -> None:
        """Called every half second: send a heartbeat if `quiet`, close after `[api] stream_seconds`."""

    @abstractmethod
    def end(self) -> None:
        """Close the stream."""

    @abstractmethod
    def disconnect(self) -> None:
        """Drop the connection of a viewer that does not read."""


class SubscriberGroup:
    """Viewers with equal subscriptions, so that a frame is rendered once for all of them. `marks`: those they know."""

    __slots__ = ("last_sent_at", "marks", "viewers")

    def __init__(self, marks: Marks) -> None:
        self.viewers: set[Viewer] = set()
        self.marks = marks
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

    __slots__ = ("_backlog", "_ends_at", "_leave", "_rest", "_transport")

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
        self._rest: memoryview | None = None
        self._backlog: Backlog | None = None

    def begin(self, missed_frames: bytes, link_header: bytes) -> None:
        """Write the head of the response and the frames that this viewer missed."""
        self._transport.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        retry = random.randint(1_000, 4_000)  # noqa: S311 - spreads reconnects, needs no cryptographic randomness
        self._transport.write(RESPONSE_HEAD[:-2] + link_header + b"\r\nretry: %d\n\n" % retry)
        self._write(missed_frames)

    def _write(self, data: bytes | memoryview) -> None:
        """Write in pieces until the buffer is full; the rest follows when the viewer reads again."""
        view = memoryview(data)
        while view and self.stalled_at is None:
            self._transport.write(view[:_PIECE_BYTES])  # may call `pause_writing`
            view = view[_PIECE_BYTES:]
        self._rest = view if len(view) else None

    def offer(self, frame: bytes, update: LiveUpdate | None) -> None:
        """See Viewer; a full buffer sends the update to the backlog."""
        if self.stalled_at is None:
            self._write(frame)
            return
        if self._backlog is None:
            self._backlog = Backlog()
        if not self._backlog.add(update):
            self.disconnect()

    def pause_writing(self) -> None:
        """The buffer is full: collect updates in the backlog."""
        self.stalled_at = time.monotonic()

    def resume_writing(self) -> None:
        """The viewer reads again: write the rest of the last frame, then the backlog."""
        self.stalled_at = None
        if self._rest is not None:
            self._write(self._rest)
        if self._backlog is not None and self.stalled_at is None:
            backlog, self._backlog = self._backlog, None
            stale, update = backlog.drain()
            self._write(Replay(update, stale=stale).sse)

    def maintain(self, now: float, *, quiet: bool) -> None:
        """See Viewer."""
        if self.stalled_at is not None:
            if now - self.stalled_at > STALL_TIMEOUT:
                self.disconnect()
        elif now > self._ends_at:
            self.end()
        elif quiet:
            self._transport.write(_HEARTBEAT)

    def disconnect(self) -> None:
        """See Viewer."""
        DROPPED.labels("too_slow").inc()
        self._transport.abort()
        self._leave(self)

    def end(self) -> None:
        """See Viewer; a transport with unread bytes is aborted."""
        if self.stalled_at is None:
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

    def disconnect(self) -> None:
        """See Viewer; the task that waits for the viewer to read ends after STALL_TIMEOUT at the latest."""
        DROPPED.labels("too_slow").inc()
        self.end()
