"""CAP 1.2 documents, posted to where an alerting authority takes them."""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from alerting.cap import document
from alerting.delivery import outgoing
from alerting.delivery.channel import Attempt, Origin
from alerting.notification import Notification


class CapSettings(Struct, frozen=True, kw_only=True):
    """`[[alerting.receiver.cap]]`: where to POST; `sender` as that side knows us; token_file for a bearer token."""

    url: str
    sender: str
    scope: Literal["Public", "Private"] = "Private"
    addresses: str = "inspectorate"
    token_file: Path | None = None
    timeout: Annotated[float, Meta(gt=0, le=60)] = 10.0

    def __post_init__(self) -> None:
        outgoing.check_url(self.url)


async def deliver(notification: Notification, channel: CapSettings, origin: Origin) -> Attempt:
    """POST the document once. Its identifier never changes, so that a repeat can be told."""
    body = document(
        notification,
        sender=channel.sender,
        scope=channel.scope,
        addresses=channel.addresses,
        public_url=origin.public_url,
        sent=origin.received_at,
    )
    headers = {"content-type": "application/cap+xml; charset=utf-8"}
    if channel.token_file is not None:
        headers["authorization"] = f"Bearer {channel.token_file.read_text().strip()}"
    return await outgoing.post(
        channel.url, content=body, headers=headers, timeout=channel.timeout, allow_private=origin.allow_private
    )
