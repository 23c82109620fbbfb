"""CAP 1.2 documents, posted to where an alerting authority takes them."""

from alerting.delivery import http_client
from alerting.delivery.channel import Delivery, DeliveryContext
from alerting.delivery.settings import CapSettings
from alerting.message.cap import build_cap_document
from alerting.message.notification import Notification


async def deliver(notification: Notification, channel: CapSettings, context: DeliveryContext) -> Delivery:
    """POST the document once. Its identifier never changes, so that a repeat can be told."""
    body = build_cap_document(
        notification,
        sender=channel.sender,
        scope=channel.scope,
        addresses=channel.addresses,
        public_url=context.public_url,
        sent=context.received_at,
    )
    headers = {"content-type": "application/cap+xml; charset=utf-8"}
    if channel.token_file is not None:
        headers["authorization"] = f"Bearer {channel.token_file.read_text().strip()}"
    return await http_client.post(
        channel.url, content=body, headers=headers, timeout=channel.timeout, allow_private=context.allow_private
    )
