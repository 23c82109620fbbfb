"""Channel for all services of `apprise`: ntfy, Matrix, SMS gateways, Teams and more. Needs `piekwacht[apprise]`.

Apprise makes its own requests, to the URL that the operator configured; the check for private addresses does not
apply to them. Apprise returns only success or failure, so every failure is retried.
"""

from alerting.delivery.channel import Delivery, DeliveryOutcome
from alerting.delivery.settings import AppriseSettings
from alerting.message.email_content import render_email
from alerting.message.notification import Notification


async def deliver(notification: Notification, channel: AppriseSettings, *, public_url: str) -> Delivery:
    """Deliver once through apprise."""
    contents = render_email(notification, public_url=public_url)
    link = notification.acknowledge_url or f"{public_url.rstrip('/')}/events/{notification.alert.event_id}"
    text = link if channel.short else contents.text
    content = f"{contents.subject}\n\n{text}".encode()
    try:
        import apprise  # noqa: PLC0415 - an optional dependency, and slow to import
    except ImportError:
        detail = "apprise is not installed: pip install 'piekwacht[apprise]'"
        return Delivery(outcome=DeliveryOutcome.FAILED, detail=detail, content=content)
    client = apprise.Apprise()
    if not client.add(channel.url_file.read_text().strip()):
        return Delivery(
            outcome=DeliveryOutcome.FAILED, detail=f"{channel.url_file}: no URL that apprise knows", content=content
        )
    with apprise.LogCapture(  # type: ignore[no-untyped-call]
        level=apprise.logging.WARNING, fmt="%(message)s"
    ) as log:
        succeeded = await client.async_notify(body=text, title=contents.subject, body_format=apprise.NotifyFormat.TEXT)
        log_text = " ".join(log.getvalue().split())
    if succeeded:
        return Delivery(outcome=DeliveryOutcome.DELIVERED, detail="apprise reports success", content=content)
    return Delivery(outcome=DeliveryOutcome.FAILED, detail=log_text or "apprise reports failure", content=content)
