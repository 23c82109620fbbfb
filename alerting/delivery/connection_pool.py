"""Connections to public addresses that stay open for many requests, as to push services.

A name is resolved when a connection is made, and the connection goes to an address that was checked: a name that
resolves to a private address later reaches nothing. Redirects are not followed.

httpcore's own pool examines every connection for every connection at each request: with 32 of them that takes 4 ms.
"""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import httpcore

from alerting.delivery.http_client import Reply, find_header, get_ssl_context, parse_retry_after, resolve_permitted

_IDLE_SECONDS = 30.0
_MAX_BODY = 4_096  # bytes of an answer that are read; the status alone decides
_ERRORS = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError)


class ConnectionPool:
    """At most `size` requests at the same time; `timeout` in seconds for each phase of a request. A context manager."""

    def __init__(self, *, size: int, timeout: float, allow_private: bool) -> None:
        self._timeout, self._slots = timeout, asyncio.Semaphore(size)
        self._backend = _CheckedBackend(allow_private=allow_private)
        self._idle: dict[str, list[httpcore.AsyncHTTPConnection]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        for connections in self._idle.values():
            for connection in connections:
                await connection.aclose()

    async def post(self, url: str, *, content: bytes, headers: Mapping[str, str]) -> Reply:
        """POST once. Raises OSError if no connection was made, TimeoutError if the outcome is unknown."""
        async with self._slots:
            connection = await self._take_connection(url)
            try:
                async with asyncio.timeout(2 * self._timeout):
                    reply = await self._post(connection, url, content, headers)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                raise OSError(str(error) or type(error).__name__) from None
            except (*_ERRORS, httpcore.UnsupportedProtocol) as error:
                raise TimeoutError(str(error) or type(error).__name__) from None
            finally:
                await self._return_connection(url, connection)
            return reply

    async def _post(
        self, connection: httpcore.AsyncHTTPConnection, url: str, content: bytes, headers: Mapping[str, str]
    ) -> Reply:
        limits = dict.fromkeys(("connect", "read", "write", "pool"), self._timeout)
        async with connection.stream(
            "POST",
            url,
            headers=list(_complete(headers, content).items()),
            content=content,
            extensions={"timeout": limits},
        ) as answer:
            retry_after = parse_retry_after(find_header(answer, b"retry-after"), datetime.now(UTC))
            await _drain(answer)
            return Reply(status=answer.status, body=b"", retry_after=retry_after)

    async def _take_connection(self, url: str) -> httpcore.AsyncHTTPConnection:
        """Return an open connection to this origin, or a new one that opens with its first request."""
        origin = httpcore.URL(url).origin
        idle = self._idle.setdefault(str(origin), [])
        while idle:
            connection = idle.pop()
            if not connection.has_expired():
                return connection
            await connection.aclose()
        return httpcore.AsyncHTTPConnection(
            origin,
            ssl_context=get_ssl_context(),
            keepalive_expiry=_IDLE_SECONDS,
            network_backend=self._backend,
        )

    async def _return_connection(self, url: str, connection: httpcore.AsyncHTTPConnection) -> None:
        """Store a connection that can serve again, and close any other."""
        if connection.is_idle():
            self._idle[str(httpcore.URL(url).origin)].append(connection)
        else:
            await connection.aclose()


def _complete(headers: Mapping[str, str], content: bytes) -> dict[str, str]:
    return {"user-agent": "piekwacht", "content-length": str(len(content)), **headers}


async def _drain(answer: httpcore.Response) -> None:
    """Read the body, so that the connection can serve again; one that is long is left, with its connection."""
    length = 0
    async for part in answer.aiter_stream():
        length += len(part)
        if length > _MAX_BODY:
            return


class _CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connects to checked addresses only."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private, self._backend = allow_private, httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first permitted address that answers."""
        try:
            addresses = await resolve_permitted(host, port, allow_private=self._allow_private)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        problem = f"{host} has no public address"
        for address in addresses:
            try:
                return await self._backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                problem = str(error) or type(error).__name__
        raise httpcore.ConnectError(problem)

    async def sleep(self, seconds: float) -> None:
        """Sleep."""
        await self._backend.sleep(seconds)
