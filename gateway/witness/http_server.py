"""A small HTTP/1.1 server on the standard library, for a machine at somebody's home.

Everything has a limit: connections in all and per address, bytes of a head and of a body, requests per minute and
address. A whole request has a time limit, however slowly its bytes arrive. An idle connection is closed to make room
for a new one.
"""

import asyncio
import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus

from msgspec import Struct

from gateway.access.rate_limit import TokenBuckets, rate_limit_key
from gateway.witness.http_message import BadRequestError, HttpResponse, RequestHead, respond_sentence

_LOG = logging.getLogger("gateway.witness")
_MAX_READ_AWAY_BYTES = 1 << 20


class HttpLimits(Struct, frozen=True, kw_only=True):
    """Limits of the server; times in seconds."""

    body_bytes: int
    head_bytes: int = 8_192
    connections: int = 128
    connections_per_address: int = 16
    request_seconds: float = 10.0
    idle_seconds: float = 75.0
    requests_per_minute: int = 120


class HttpRequest(Struct, frozen=True, kw_only=True):
    """A whole request."""

    method: str
    path: str
    language: str
    body: bytes


Respond = Callable[[HttpRequest], HttpResponse]
"""Answers one request; it runs in a thread and may wait for the disk."""


class HttpServer:
    """Serves until it is cancelled: `await HttpServer(...).run(host, port)`."""

    def __init__(self, respond: Respond, limits: HttpLimits) -> None:
        self._respond, self._limits = respond, limits
        self._buckets = TokenBuckets(limits.requests_per_minute, max_clients=10_000)
        self._connections: Counter[str] = Counter()
        self._idle: OrderedDict[asyncio.StreamWriter, None] = OrderedDict()

    async def run(self, host: str, port: int, on_start: Callable[[str, int], None]) -> None:
        """Listen; `on_start` gets the address and the port. Raises OSError if the port is in use."""
        server = await asyncio.start_server(self._serve, host, port, limit=self._limits.head_bytes)
        try:
            on_start(*server.sockets[0].getsockname()[:2])
            await asyncio.Event().wait()
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection; the server's end aborts it."""
        client = rate_limit_key(str(writer.get_extra_info("peername")[0]))
        try:
            if self._admit(client):
                with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                    await self._serve_connection(reader, writer, client)
            else:
                writer.write(_TOO_MANY.encode(keep_alive=False))
            await self._close(writer)
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._connections[client] -= 1
            self._connections += Counter()  # drops the addresses without a connection

    def _admit(self, client: str) -> bool:
        """Count the connection; whether there is room for it, if need be that of an idle connection."""
        self._connections[client] += 1
        if self._connections[client] > self._limits.connections_per_address:
            return False
        if self._connections.total() > self._limits.connections:
            if not self._idle:
                return False
            longest_idle, _ = self._idle.popitem(last=False)
            longest_idle.transport.abort()
        return True

    async def _serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: str) -> None:
        keep_alive = True
        while keep_alive:
            first = await self._wait_for_request(reader, writer)
            async with asyncio.timeout(self._limits.request_seconds):
                try:
                    head, request = await self._read_request(first, reader, writer)
                except BadRequestError as error:
                    await self._reject(error, reader, writer)
                    return
            response = await self._answer(request, client)
            keep_alive = head.keep_alive
            writer.write(response.encode(keep_alive=keep_alive, head_only=head.method == "HEAD"))
            async with asyncio.timeout(self._limits.request_seconds):
                await writer.drain()

    async def _wait_for_request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """Return the first byte of the next request; meanwhile the connection is idle."""
        self._idle[writer] = None
        try:
            async with asyncio.timeout(self._limits.idle_seconds):
                return await reader.readexactly(1)
        finally:
            self._idle.pop(writer, None)

    async def _read_request(
        self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[RequestHead, HttpRequest]:
        try:
            raw = first + await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            sentence = f"the head of a request has at most {self._limits.head_bytes} bytes"
            raise BadRequestError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, sentence) from None
        head = RequestHead.parse(raw[:-4])
        if head.length > self._limits.body_bytes:
            sentence = f"a body has at most {self._limits.body_bytes} bytes"
            raise BadRequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, sentence)
        if head.expects_continue and head.length:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(head.length)
        return head, HttpRequest(method=head.method, path=head.path, language=head.language, body=body)

    async def _reject(self, error: BadRequestError, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer, and read on for a while: a client that still sends would see a broken connection, no answer."""
        writer.write(respond_sentence(error.status, str(error)).encode(keep_alive=False))
        writer.write_eof()
        for _ in range(_MAX_READ_AWAY_BYTES // self._limits.head_bytes):
            if not await reader.read(self._limits.head_bytes):
                break

    async def _answer(self, request: HttpRequest, client: str) -> HttpResponse:
        wait = self._buckets.take_token(client, time.monotonic())
        if wait:
            sentence = f"at most {self._limits.requests_per_minute} requests per minute are answered"
            return respond_sentence(HTTPStatus.TOO_MANY_REQUESTS, sentence, Retry_After=str(int(wait) + 1))
        try:
            return await asyncio.to_thread(self._respond, request)
        except Exception:  # noqa: BLE001 - a fault of one request ends neither the server nor the connection
            _LOG.exception("request failed")
            return respond_sentence(HTTPStatus.INTERNAL_SERVER_ERROR, "the witness has an unexpected fault")

    async def _close(self, writer: asyncio.StreamWriter) -> None:
        """Close once the response is sent, or end the connection of a client that does not read."""
        writer.close()
        try:
            async with asyncio.timeout(self._limits.request_seconds):
                await writer.wait_closed()
        except (OSError, TimeoutError):
            writer.transport.abort()


_TOO_MANY = respond_sentence(HTTPStatus.SERVICE_UNAVAILABLE, "there are too many connections", Retry_After="30")
