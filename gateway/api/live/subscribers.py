"""Viewers: one that reads server-sent events from a bare transport, and one that reads a WebSocket.

Both have a bounded place of their own: what they have not read gives way to newer values, never events; who does
not read for ten seconds, or leaves hundreds of events unread, is cut off.
"""

import asyncio
import random
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress

from gateway.api.http.headers import API, EVERYWHERE
from gateway.api.live.frames import News, Unread, Wish, sse
from gateway.api.settings import ApiSettings
from gateway.api.telemetry import DROPPED

_UNREAD_SECONDS = 10.0
_HIGH = 32_768  # bytes in our own buffer before a viewer counts as slow
_KERNEL = 65_536  # bytes the kernel may hold for it
_HERE = b": here\n\n"


class Viewer(ABC):
    """One open stream. `after`: commits up to this one it has seen already."""

    __slots__ = ("address", "after", "wish")

    def __init__(self, wish: Wish, address: str) -> None:
        self.wish, self.address, self.after = wish, address, 0

    @abstractmethod
    def offer(self, frame: bytes, news: News | None) -> None:
        """Take a rendered frame or note its news; never waits. News None: `stale`."""

    @abstractmethod
    def tended(self, now: float, *, quiet: bool) -> None:
        """Called often: a sign of life where it is quiet, the end where it is time."""

    @abstractmethod
    def end(self) -> None:
        """Close in order."""


class Group:
    """Viewers with one wish, for whom a frame is rendered once."""

    __slots__ = ("viewers", "written")

    def __init__(self) -> None:
        self.viewers: set[Viewer] = set()
        self.written = time.monotonic()


def _head() -> bytes:
    lines = {
        "Content-Type": "text/event-stream; charset=utf-8",
        "Cache-Control": "no-store",
        "X-Accel-Buffering": "no",
        "Connection": "close",
        **EVERYWHERE,
        **API,
    }
    return "".join(["HTTP/1.1 200 OK\r\n", *(f"{k}: {v}\r\n" for k, v in lines.items()), "\r\n"]).encode()


HEAD = _head()


class Stream(Viewer, asyncio.Protocol):
    """Server-sent events, written straight to the transport: a kilobyte or two a viewer."""

    __slots__ = ("_ends", "_leave", "_paused", "_transport", "_unread")

    def __init__(
        self, wish: Wish, address: str, transport: asyncio.Transport, lease: float, leave: Callable[[Viewer], None]
    ) -> None:
        super().__init__(wish, address)
        self._transport, self._leave = transport, leave
        self._ends = time.monotonic() + lease
        self._paused: float | None = None
        self._unread: Unread | None = None

    def begin(self, missed: bytes, link: bytes) -> None:
        """The answer's head and what this viewer missed."""
        self._transport.set_write_buffer_limits(high=_HIGH)
        kernel = self._transport.get_extra_info("socket")
        if kernel is not None:
            with suppress(OSError):
                kernel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL)
        retry = random.randint(1_000, 4_000)  # noqa: S311 - only spreads reconnects
        self._transport.write(HEAD[:-2] + link + b"\r\nretry: %d\n\n" % retry + missed)

    def offer(self, frame: bytes, news: News | None) -> None:
        """Write it, or note it where the buffer is full."""
        if self._paused is None:
            self._transport.write(frame)
            return
        if self._unread is None:
            self._unread = Unread()
        if not self._unread.add(news):
            self._cut()

    def pause_writing(self) -> None:
        """The buffer is full: from now on only the newest counts."""
        self._paused = time.monotonic()

    def resume_writing(self) -> None:
        """It has read: what it missed meanwhile, as one frame."""
        self._paused = None
        unread, self._unread = self._unread, None
        if unread is not None:
            stale, news = unread.take()
            self._transport.write((b"event: stale\ndata: {}\n\n" if stale else b"") + sse(news))

    def tended(self, now: float, *, quiet: bool) -> None:
        """See Viewer."""
        if self._paused is not None:
            if now - self._paused > _UNREAD_SECONDS:
                self._cut()
        elif now > self._ends:
            self.end()
        elif quiet:
            self._transport.write(_HERE)

    def _cut(self) -> None:
        DROPPED.labels("too_slow").inc()
        self._transport.abort()
        self._leave(self)

    def end(self) -> None:
        """See Viewer; a transport that cannot be emptied is aborted."""
        if self._paused is None:
            self._transport.close()
        else:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The viewer is gone."""
        del exc
        self._leave(self)

    def data_received(self, data: bytes) -> None:
        """Nothing is expected from a viewer, and nothing is kept."""

    def eof_received(self) -> None:
        """It will not speak again, as it should; it may still read."""


class SocketViewer(Viewer):
    """A WebSocket's place: its own task takes from here and writes."""

    __slots__ = ("_ends", "beat", "closed", "news", "unread")

    def __init__(self, wish: Wish, address: str, settings: ApiSettings) -> None:
        super().__init__(wish, address)
        self._ends = time.monotonic() + settings.lease
        self.unread, self.news = Unread(), asyncio.Event()
        self.closed = self.beat = False

    def offer(self, frame: bytes, news: News | None) -> None:
        """See Viewer."""
        del frame
        if not self.unread.add(news):
            DROPPED.labels("too_slow").inc()
            self.closed = True
        self.news.set()

    def tended(self, now: float, *, quiet: bool) -> None:
        """See Viewer."""
        if now > self._ends:
            self.end()
        elif quiet:
            self.beat = True
            self.news.set()

    def end(self) -> None:
        """See Viewer."""
        self.closed = True
        self.news.set()
