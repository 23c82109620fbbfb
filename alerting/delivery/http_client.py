"""HTTP requests of the channels: the name is resolved once, the checked addresses are used in turn.

The status line alone decides the outcome. Headers or a body that are cut off, or that never end, change nothing.
Redirects are not followed: they would lead past the check of the address.
"""

import asyncio
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache

import httpcore
import httpx
from msgspec import Struct

from alerting.decide.reason_detail import DetailCode, encode_detail
from alerting.delivery.address_check import is_public
from alerting.delivery.channel import Delivery, DeliveryOutcome
from alerting.delivery.status_line import RecordingBackend, read_status

_HTTP_ERRORS = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError)
_MAX_BODY = 65_536  # bytes of a response that are read
_BODY_TIMEOUT = 5.0  # seconds in which a body is read, after its status
_MAX_ADDRESSES = 6  # of one name that are tried
_CONNECT_TIMEOUT = 5.0  # seconds for each address of a name that has several
_MAX_SECONDS = 10**9  # of Retry-After: more does not fit in a date


class Reply(Struct, frozen=True, kw_only=True):
    """An HTTP response. `is_complete`: the body was read to its end. `retry_after`: when the other side wants more."""

    status: int
    body: bytes
    is_complete: bool = True
    retry_after: datetime | None = None


class _Request(Struct, frozen=True, kw_only=True):
    method: str
    url: httpx.URL
    content: bytes
    headers: Mapping[str, str]
    timeout: httpx.Timeout


async def request(
    method: str,
    url: str,
    *,
    content: bytes,
    headers: Mapping[str, str],
    timeout: float,  # noqa: ASYNC109 - httpx's own timeout, per phase of the request
    allow_private: bool,
) -> Reply | Delivery:
    """Request once. Without a response, returns the failed delivery.

    Private addresses are left out unless allowed; a name that has no other address is refused.
    """
    target = httpx.URL(url)
    try:
        addresses = await _resolve(target, allow_private=allow_private)
    except OSError as error:
        return _fail(DeliveryOutcome.FAILED, DetailCode.NO_CONNECTION, target, str(error), content)
    if not addresses:
        detail = encode_detail(DetailCode.PRIVATE, host=target.host)
        return Delivery(outcome=DeliveryOutcome.REFUSED, detail=detail, content=content)
    connect_timeout = timeout if len(addresses) == 1 else min(timeout, _CONNECT_TIMEOUT)
    limits = httpx.Timeout(timeout, connect=connect_timeout)
    prepared = _Request(method=method, url=target, content=content, headers=headers, timeout=limits)
    return await _request_first_reachable(prepared, addresses)


async def _request_first_reachable(prepared: _Request, addresses: Sequence[str]) -> Reply | Delivery:
    """Try the addresses in order. Only a connection that was never made permits the next one."""
    problem = ""
    for address in addresses:
        backend = RecordingBackend()
        try:
            return await _request_from(prepared, address, backend)
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            problem = str(error) or type(error).__name__
        except (*_HTTP_ERRORS, TimeoutError) as error:
            status = read_status(bytes(backend.received))
            if status is not None:
                return Reply(status=status, body=b"", is_complete=False)
            name = type(error).__name__
            return _fail(DeliveryOutcome.UNKNOWN, DetailCode.NO_ANSWER, prepared.url, name, prepared.content)
    return _fail(DeliveryOutcome.FAILED, DetailCode.NO_CONNECTION, prepared.url, problem, prepared.content)


async def _request_from(prepared: _Request, address: str, backend: RecordingBackend) -> Reply:
    limits = prepared.timeout
    async with (
        asyncio.timeout((limits.connect or 0) + (limits.read or 0) + _BODY_TIMEOUT),
        httpcore.AsyncConnectionPool(ssl_context=get_ssl_context(), network_backend=backend) as pool,
        pool.stream(
            prepared.method,
            str(prepared.url.copy_with(host=address)),
            content=prepared.content,
            headers=list(_build_headers(prepared).items()),
            extensions={"timeout": limits.as_dict(), "sni_hostname": prepared.url.host},
        ) as answer,
    ):
        retry_after = parse_retry_after(find_header(answer, b"retry-after"), datetime.now(UTC))
        body, is_complete = await _read_body(answer)
        return Reply(status=answer.status, body=body, is_complete=is_complete, retry_after=retry_after)


def _build_headers(prepared: _Request) -> dict[str, str]:
    return {
        "host": prepared.url.netloc.decode(),
        "user-agent": "piekwacht",
        "accept": "*/*",
        "connection": "close",
        "content-length": str(len(prepared.content)),
        **prepared.headers,
    }


def find_header(answer: httpcore.Response, name: bytes) -> str:
    """Return the header's value; empty without one. `name` in lower case."""
    return next((value.decode("latin-1") for key, value in answer.headers if key.lower() == name), "")


async def post(
    url: str,
    *,
    content: bytes,
    headers: Mapping[str, str],
    timeout: float,  # noqa: ASYNC109 - httpx's own timeout, as in `request`
    allow_private: bool,
) -> Delivery:
    """POST once; the status alone decides the outcome."""
    reply = await request("POST", url, content=content, headers=headers, timeout=timeout, allow_private=allow_private)
    return reply if isinstance(reply, Delivery) else delivery_from_reply(reply, f"HTTP {reply.status}", content)


def delivery_from_reply(reply: Reply, detail: str, content: bytes) -> Delivery:
    """Return the delivery that this answer makes."""
    outcome = outcome_from_status(reply.status)
    return Delivery(outcome=outcome, detail=detail, content=content, retry_after=reply.retry_after)


def outcome_from_status(status: int) -> DeliveryOutcome:
    """Return the outcome for an HTTP status: every answer except 2xx and 410 is tried again.

    A peer that is being deployed answers 404, 401 or a redirect for a while, and an alert must not be lost by that.
    """
    if 200 <= status < 300:
        return DeliveryOutcome.DELIVERED
    return DeliveryOutcome.GONE if status == 410 else DeliveryOutcome.FAILED


def parse_retry_after(text: str, now: datetime) -> datetime | None:
    """Return the moment of a Retry-After header (RFC 9110, 10.2.3): seconds, or an HTTP date. None if unreadable."""
    text = text.strip()
    if text.isascii() and text.isdecimal():
        return now + timedelta(seconds=min(int(text[:12]), _MAX_SECONDS))
    with suppress(ValueError, OverflowError):
        at = parsedate_to_datetime(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return None


async def _read_body(answer: httpcore.Response) -> tuple[bytes, bool]:
    """Return the start of the body, and whether that is all of it."""
    body = b""
    try:
        async with asyncio.timeout(_BODY_TIMEOUT):
            async for part in answer.aiter_stream():
                body += part
                if len(body) > _MAX_BODY:
                    return body[:_MAX_BODY], False
    except (*_HTTP_ERRORS, TimeoutError):
        return body, False
    return body, True


@cache
def get_ssl_context() -> ssl.SSLContext:
    """Load the certificate authorities once per process: that takes longer than a whole delivery."""
    return httpx.create_ssl_context(trust_env=False)


async def _resolve(url: httpx.URL, *, allow_private: bool) -> Sequence[str]:
    port = url.port or (80 if url.scheme == "http" else 443)
    return await resolve_permitted(url.host, port, allow_private=allow_private)


async def resolve_permitted(host: str, port: int, *, allow_private: bool) -> Sequence[str]:
    """Return the addresses to connect to, in the resolver's order; empty if all are private and that is not allowed.

    Raises OSError if the name cannot be resolved.
    """
    entries = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = dict.fromkeys(str(entry[4][0]) for entry in entries)
    permitted = [address for address in addresses if allow_private or is_public(address)]
    return permitted[:_MAX_ADDRESSES]


def _fail(outcome: DeliveryOutcome, code: DetailCode, url: httpx.URL, error: str, content: bytes) -> Delivery:
    return Delivery(outcome=outcome, detail=encode_detail(code, host=url.host, error=error), content=content)
