"""The CAP channel: POST one CAP 1.2 document per notification to an alerting authority."""

from datetime import datetime

from msgspec import structs

from alerting.alert import Alert, Change
from alerting.delivery import http_client
from alerting.delivery.channel import Delivery, DeliveryContext
from alerting.delivery.settings import CapSettings
from alerting.message.cap import CapInfo, CapMessage, CapReference, CapStatus, build_cap, describe_alert
from alerting.message.email_content import render_email
from alerting.message.notification import Notification

_MAX_INFOS = 100  # alerts of a storm in one document


async def deliver(
    notification: Notification, channel: CapSettings, context: DeliveryContext, *, at: datetime
) -> Delivery:
    """POST the document once. Its identifier never changes, so that the receiver can recognise a repeat."""
    sent = context.decided_at or context.received_at
    body = build_cap(map_notification(notification, channel, public_url=context.public_url, sent=sent, attempted_at=at))
    headers = {"content-type": "application/cap+xml; charset=utf-8"}
    if channel.token_file is not None:
        headers["authorization"] = f"Bearer {channel.token_file.read_text().strip()}"
    return await http_client.post(
        channel.url, content=body, headers=headers, timeout=channel.timeout, allow_private=context.allow_private
    )


def map_notification(
    notification: Notification, channel: CapSettings, *, public_url: str, sent: datetime, attempted_at: datetime
) -> CapMessage:
    """The CAP facts of a notification.

    `sent` is when it was decided to notify, the same at every attempt, because later documents refer to it.
    `attempted_at` is the moment of this attempt: a document that is delivered late is valid as long as one that is not.
    """
    alert = notification.alert
    valid_from = max(sent, attempted_at)
    return CapMessage(
        identifier=notification.id,
        sender=channel.sender,
        sent=sent,
        status=_choose_status(alert),
        is_cancelled=alert.change is Change.VOIDED,
        scope=channel.scope,
        addresses=channel.addresses,
        references=_build_references(notification),
        infos=[
            _map_alert(notification, listed, public_url, valid_from)
            for listed in [alert, *notification.gathered][:_MAX_INFOS]
        ],
    )


def _choose_status(alert: Alert) -> CapStatus:
    if alert.is_test:
        return CapStatus.TEST
    return CapStatus.SYSTEM if alert.is_about_network else CapStatus.ACTUAL


def _build_references(notification: Notification) -> list[CapReference]:
    """A reference to the original notification; the original itself has none."""
    original = notification.original
    if original is None or original.id == notification.id:
        return []
    return [CapReference(identifier=original.id, sent=original.decided_at or original.received_at)]


def _map_alert(notification: Notification, alert: Alert, public_url: str, valid_from: datetime) -> CapInfo:
    health = notification.health if alert is notification.alert else None  # it is about that alert
    single = structs.replace(notification, alert=alert, gathered=(), health=health)
    description, language = render_email(single, public_url=public_url).text, notification.language
    return describe_alert(
        alert,
        language=language,
        description=description,
        public_url=public_url,
        valid_from=valid_from,
        instruction=health or "",
    )
