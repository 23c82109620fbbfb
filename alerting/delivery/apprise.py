"""Whatever `apprise` can reach: ntfy, Matrix, SMS gateways, Teams and a hundred others. Wants `piekwacht[apprise]`.

Apprise makes its own requests: where these go is what the operator wrote in the URL, and the guard against addresses
inside our own walls does not see them. It says only whether it worked, so every failure is tried again.
"""

from alerting.delivery.channel import Attempt, Outcome
from alerting.delivery.settings import AppriseSettings
from alerting.message.email_content import mail
from alerting.message.notification import Notification


async def deliver(notification: Notification, channel: AppriseSettings, *, public_url: str) -> Attempt:
    """Hand it to apprise once."""
    contents = mail(notification, public_url=public_url)
    link = notification.acknowledge or f"{public_url.rstrip('/')}/events/{notification.alert.event_id}"
    text = link if channel.short else contents.text
    content = f"{contents.subject}\n\n{text}".encode()
    try:
        import apprise  # noqa: PLC0415 - an extra, and heavy
    except ImportError:
        detail = "apprise is not installed: pip install 'piekwacht[apprise]'"
        return Attempt(outcome=Outcome.FAILED, detail=detail, content=content)
    sender = apprise.Apprise()
    if not sender.add(channel.url_file.read_text().strip()):
        return Attempt(outcome=Outcome.FAILED, detail=f"{channel.url_file}: no URL that apprise knows", content=content)
    with apprise.LogCapture(  # type: ignore[no-untyped-call]
        level=apprise.logging.WARNING, fmt="%(message)s"
    ) as said:
        worked = await sender.async_notify(body=text, title=contents.subject, body_format=apprise.NotifyFormat.TEXT)
        words = " ".join(said.getvalue().split())
    if worked:
        return Attempt(outcome=Outcome.DELIVERED, detail="apprise says so", content=content)
    return Attempt(outcome=Outcome.FAILED, detail=words or "apprise says it failed", content=content)
