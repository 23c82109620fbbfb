"""HTTP requests of the channels: the name is resolved once, the checked address is used, redirects are not followed."""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from functools import cache

import httpx
from msgspec import Struct

from alerting.decide.reason_detail import DetailCode, encode_detail
from alerting.delivery.address_check import is_public
from alerting.delivery.channel import Delivery, DeliveryOutcome

_MAX_BODY = 65_536  # bytes of a response that are read


class Reply(Struct, frozen=True, kw_only=True):
    """An HTTP response."""

    status: int
    body: bytes


async def request(
    method: str,
    url: str,
    *,
    content: bytes,
    headers: Mapping[str, str],
    timeout: float,  # noqa: ASYNC109 - httpx's own timeout, per phase of the request
    allow_private: bool,
) -> Reply | Delivery:
    """Request once. Without a response, returns the failed delivery; a private address is refused unless allowed."""
    target = httpx.URL(url)
    try:
        address = await _resolve(target, allow_private=allow_private)
    except OSError as error:
        return Delivery(
            outcome=DeliveryOutcome.FAILED,
            detail=encode_detail(DetailCode.NO_CONNECTION, host=target.host, error=str(error)),
            content=content,
        )
    if address is None:
        return Delivery(
            outcome=DeliveryOutcome.REFUSED, detail=encode_detail(DetailCode.PRIVATE, host=target.host), content=content
        )
    try:
        async with (
            httpx.AsyncClient(
                verify=_ssl_context(), timeout=timeout, follow_redirects=False, trust_env=False
            ) as client,
            client.stream(
                method,
                target.copy_with(host=address),
                content=content,
                headers={**headers, "host": target.netloc.decode()},
                extensions={"sni_hostname": target.host},
            ) as answer,
        ):
            return Reply(status=answer.status_code, body=await _read_body(answer))
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        reason = encode_detail(DetailCode.NO_CONNECTION, host=target.host, error=str(error) or type(error).__name__)
        return Delivery(outcome=DeliveryOutcome.FAILED, detail=reason, content=content)
    except httpx.HTTPError as error:
        detail = encode_detail(DetailCode.NO_ANSWER, host=target.host, error=type(error).__name__)
        return Delivery(outcome=DeliveryOutcome.UNKNOWN, detail=detail, content=content)


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
    if isinstance(reply, Delivery):
        return reply
    return Delivery(outcome=outcome_from_status(reply.status), detail=f"HTTP {reply.status}", content=content)


def outcome_from_status(status: int) -> DeliveryOutcome:
    """Return the outcome for an HTTP status. A redirect is refused: webhooks must name their final address."""
    if 200 <= status < 300:
        return DeliveryOutcome.DELIVERED
    if status == 410:
        return DeliveryOutcome.GONE
    if 300 <= status < 500 and status not in {408, 425, 429}:
        return DeliveryOutcome.REFUSED
    return DeliveryOutcome.FAILED


async def _read_body(answer: httpx.Response) -> bytes:
    """Return the start of the body, so that an endless response ends here."""
    body = b""
    async for part in answer.aiter_bytes():
        body += part
        if len(body) > _MAX_BODY:
            break
    return body[:_MAX_BODY]


@cache
def _ssl_context() -> ssl.SSLContext:
    """Load the certificate authorities once per process: that takes longer than a whole delivery."""
    return httpx.create_ssl_context(trust_env=False)


async def _resolve(url: httpx.URL, *, allow_private: bool) -> str | None:
    """Return the address to connect to; None if one of the name's addresses is private and that is not allowed."""
    port = url.port or (80 if url.scheme == "http" else 443)
    entries = await asyncio.get_running_loop().getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in entries]
    if not allow_private and not all(is_public(address) for address in addresses):
        return None
    return addresses[0]
