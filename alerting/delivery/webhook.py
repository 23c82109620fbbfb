"""Signed webhooks: Standard Webhooks around a CloudEvent. Effectively once, because `webhook-id` never changes."""

import asyncio
import socket
import ssl
from datetime import datetime
from functools import cache

import httpx
from standardwebhooks import Webhook

from alerting.delivery.address import is_public
from alerting.delivery.channel import Attempt, Outcome
from alerting.settings import WebhookSettings


async def send(body: bytes, *, channel: WebhookSettings, message_id: str, at: datetime, allow_private: bool) -> Attempt:
    """POST it once, and judge the answer. Nothing is sent to an address inside our own walls."""
    url = httpx.URL(channel.url)
    try:
        address = await _resolve(url, allow_private=allow_private)
    except OSError as error:
        return Attempt(outcome=Outcome.FAILED, detail=f"{url.host}: {error}", content=body)
    if address is None:
        return Attempt(outcome=Outcome.REFUSED, detail=f"{url.host} is no public address", content=body)
    secret = channel.secret_file.read_text().strip()
    headers = {
        "content-type": "application/cloudevents+json; charset=utf-8",
        "host": url.netloc.decode(),
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, at, body.decode()),
    }
    try:
        async with httpx.AsyncClient(
            verify=_trust(), timeout=channel.timeout, follow_redirects=False, trust_env=False
        ) as client:
            answer = await client.post(
                url.copy_with(host=address), content=body, headers=headers, extensions={"sni_hostname": url.host}
            )
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        return Attempt(outcome=Outcome.FAILED, detail=f"{url.host}: {error or 'no connection'}", content=body)
    except httpx.HTTPError as error:
        return Attempt(outcome=Outcome.UNKNOWN, detail=f"{url.host}: no answer ({type(error).__name__})", content=body)
    return Attempt(outcome=judge(answer.status_code), detail=f"HTTP {answer.status_code}", content=body)


@cache
def _trust() -> ssl.SSLContext:
    """Reading the certificates of all authorities takes longer than a whole delivery: once a process."""
    return httpx.create_ssl_context(trust_env=False)


def judge(status: int) -> Outcome:
    """What an HTTP status means for this delivery. A redirect is never followed, and never right."""
    if 200 <= status < 300:
        return Outcome.DELIVERED
    if status == 410:
        return Outcome.GONE
    if 300 <= status < 500 and status not in {408, 425, 429}:
        return Outcome.REFUSED
    return Outcome.FAILED


async def _resolve(url: httpx.URL, *, allow_private: bool) -> str | None:
    """The one address to connect to; None where it is inside our own walls."""
    found = await asyncio.get_running_loop().getaddrinfo(url.host, url.port or 443, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    if not allow_private and not all(is_public(address) for address in addresses):
        return None
    return addresses[0]
