"""One attempt to deliver one notification, by whatever channel it is meant for."""

from datetime import datetime

from alerting.delivery import email, webhook
from alerting.delivery.channel import Attempt, Origin
from alerting.delivery.email import EmailSettings
from alerting.delivery.webhook import WebhookSettings
from alerting.notification import Notification
from alerting.settings import AlertingSettings, ChannelSettings


async def attempt(
    notification: Notification, channel: ChannelSettings, settings: AlertingSettings, origin: Origin, *, at: datetime
) -> Attempt:
    """Try once; `at` is now."""
    match channel:
        case EmailSettings():
            return await email.deliver(notification, channel, smtp=settings.smtp, public_url=settings.public_url, at=at)
        case WebhookSettings():
            return await webhook.deliver(notification, channel, origin, at=at)
