"""VNG Notificaties API 1.0: notifies the subscribers of an omgevingsdienst's kanaal that there is data to fetch."""

from datetime import UTC, datetime

from msgspec import json

from alerting.alert import Change
from alerting.delivery import http_client, zgw
from alerting.delivery.channel import Delivery, DeliveryContext
from alerting.delivery.settings import NotificatiesSettings
from alerting.message.notification import Notification

_ACTIONS = {Change.OPENED: "create", Change.UPDATED: "update", Change.ENDED: "update", Change.VOIDED: "destroy"}


async def deliver(
    notification: Notification, channel: NotificatiesSettings, context: DeliveryContext, *, at: datetime
) -> Delivery:
    """POST the notificatie once."""
    return await http_client.post(
        f"{channel.url.rstrip('/')}/notificaties",
        content=build_body(notification, channel, context),
        headers=zgw.build_headers(channel.client_id, channel.secret_file, at),
        timeout=channel.timeout,
        allow_private=context.allow_private,
    )


def build_body(notification: Notification, channel: NotificatiesSettings, context: DeliveryContext) -> bytes:
    """Return the notificatie: no content, only its URL; the same bytes at every attempt."""
    alert = notification.alert
    features = {
        "gebied": alert.area,
        "station": alert.station,
        "grootheid": alert.observed_property,
        "ernst": alert.severity.value,
        "soort": alert.kind,
        "kenmerk": notification.id,
    }
    resource = f"{context.public_url.rstrip('/')}/api/v1/events/{alert.event_id}"
    return json.encode(
        {
            "kanaal": channel.kanaal,
            "hoofdObject": resource,
            "resource": "piek",
            "resourceUrl": resource,
            "actie": _ACTIONS[alert.change],
            "aanmaakdatum": context.received_at.astimezone(UTC),
            "kenmerken": {key: features[key] for key in channel.kenmerken},
        }
    )
