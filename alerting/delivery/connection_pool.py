"""Connections to public addresses that stay open for many requests, as to push services.

A name is resolved when a connection is made, and the connection goes to an address that was checked: a name that
resolves to a private address later reaches nothing. Redirects are not followed.
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
    """At most `size` connections to each host; `timeout` in seconds for each phase of a request. A context manager."""

    def __init__(self, *, size: int, timeout: float, allow_private: bool) -> None:
        self._timeout, backend = timeout, _CheckedBackend(allow_private=allow_private)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=get_ssl_context(),
            max_connections=size,
            max_keepalive_connections=size,
            keepalive_expiry=_IDLE_SECONDS,
            network_backend=backend,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await self._pool.aclose()

    async def post(self, url: str, *, content: bytes, headers: Mapping[str, str]) -> Reply:
        """POST once. Raises OSError if no connection was made, TimeoutError if the outcome is unknown."""
        limits = dict.fromkeys(("connect", "read", "write", "pool"), self._timeout)
        try:
            async with (
                asyncio.timeout(2 * self._timeout),
                self._pool.stream(
                    "POST",
                    url,
                    headers=list(_complete(headers, content).items()),
                    content=content,
                    extensions={"timeout": limits},
                ) as answer,
            ):
                reply = Reply(
                    status=answer.status,
                    body=b"",
                    retry_after=parse_retry_after(find_header(answer, b"retry-after"), datetime.now(UTC)),
                )
                await _drain(answer)
                return reply
        except (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout) as error:
            raise OSError(str(error) or type(error).__name__) from None
        except (*_ERRORS, httpcore.UnsupportedProtocol) as error:
            raise TimeoutError(str(error) or type(error).__name__) from None


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
