"""Signed webhooks: Standard Webhooks around a CloudEvent. Effectively once, because `webhook-id` never changes."""

from datetime import datetime

from standardwebhooks import Webhook

from alerting.delivery import http_client
from alerting.delivery.channel import Delivery, DeliveryContext
from alerting.delivery.settings import WebhookSettings
from alerting.message.cloud_event import build_cloud_event
from alerting.message.notification import Notification


async def deliver(
    notification: Notification, channel: WebhookSettings, context: DeliveryContext, *, at: datetime
) -> Delivery:
    """POST the CloudEvent once; the status decides the outcome."""
    body = build_cloud_event(notification, source=context.source, public_url=context.public_url, at=context.received_at)
    secret = channel.secret_file.read_text().strip()
    headers = {
        "content-type": "application/cloudevents+json; charset=utf-8",
        "webhook-id": notification.id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(notification.id, at, body.decode()),
    }
    return await http_client.post(
        channel.url, content=body, headers=headers, timeout=channel.timeout, allow_private=context.allow_private
    )
