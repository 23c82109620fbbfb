"""Reads the status line of an HTTP response beside the parser, so that a broken rest of the response loses nothing.

A peer that answered `200` and then reset the connection has taken the request. httpx raises an error there and drops
the status. `RecordingBackend` notes the first bytes of every connection that it makes.
"""

import re
from collections.abc import Iterable
from ssl import SSLContext
from typing import Any

import httpcore

_MAX_RECORDED = 16_384  # bytes: interim responses come before the final one
_STATUS_LINE = re.compile(rb"HTTP/\d(?:\.\d)? +(\d{3})(?=[ \r\n])")
_END_OF_HEADERS = re.compile(rb"\r?\n\r?\n")


def read_status(received: bytes) -> int | None:
    """Return the status of the final response at the start of a connection; interim ones (1xx) are skipped. Pure."""
    position = 0
    while (match := _STATUS_LINE.match(received, position)) is not None:
        status = int(match[1])
        if not 100 <= status < 200 or status == 101:
            return status
        end = _END_OF_HEADERS.search(received, match.end())
        if end is None:
            return None
        position = end.end()
    return None


class RecordingBackend(httpcore.AsyncNetworkBackend):
    """Connects like httpcore; `received` holds the first bytes that came, decrypted."""

    def __init__(self) -> None:
        self.received = bytearray()
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect, and note what is received."""
        stream = await self._backend.connect_tcp(host, port, timeout, local_address, socket_options)
        return _RecordingStream(stream, self.received)

    async def sleep(self, seconds: float) -> None:
        """Sleep."""
        await self._backend.sleep(seconds)


class _RecordingStream(httpcore.AsyncNetworkStream):
    def __init__(self, stream: httpcore.AsyncNetworkStream, received: bytearray) -> None:
        self._stream, self._received = stream, received

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - as above
        data = await self._stream.read(max_bytes, timeout)
        self._received += data[: max(0, _MAX_RECORDED - len(self._received))]
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as above
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
    ) -> httpcore.AsyncNetworkStream:
        stream = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        return _RecordingStream(stream, self._received)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - httpcore's signature
        return self._stream.get_extra_info(info)
