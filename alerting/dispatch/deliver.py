"""One attempt to deliver one notification by its channel; called by the delivery worker. Errors pass through."""

from datetime import datetime

from alerting.delivery import apprise, cap, email, mqtt, notificaties, webhook, zaken
from alerting.delivery.channel import Delivery, DeliveryContext
from alerting.delivery.settings import (
    AppriseSettings,
    CapSettings,
    EmailSettings,
    MqttSettings,
    NotificatiesSettings,
    WebhookSettings,
    ZakenSettings,
)
from alerting.message.notification import Notification
from alerting.settings import AlertingSettings, ChannelSettings


async def deliver(  # noqa: PLR0911 - one return per channel
    notification: Notification,
    channel: ChannelSettings,
    settings: AlertingSettings,
    context: DeliveryContext,
    *,
    at: datetime,
) -> Delivery:
    """Deliver once; `at` is the present time."""
    match channel:
        case EmailSettings():
            return await email.deliver(notification, channel, context, smtp=settings.smtp, at=at)
        case WebhookSettings():
            return await webhook.deliver(notification, channel, context, at=at)
        case MqttSettings():
            return await mqtt.deliver(notification, channel, context)
        case CapSettings():
            return await cap.deliver(notification, channel, context, at=at)
        case ZakenSettings():
            return await zaken.deliver(notification, channel, context, at=at)
        case NotificatiesSettings():
            return await notificaties.deliver(notification, channel, context, at=at)
        case AppriseSettings():
            return await apprise.deliver(notification, channel, context)
