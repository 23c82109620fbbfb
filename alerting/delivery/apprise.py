"""Channel for all services of `apprise`: ntfy, Matrix, SMS gateways, Teams and more. Needs `piekwacht[apprise]`.

Apprise makes its own requests, to the URLs that the operator configured; the check for private addresses does not
apply to them. Each URL is an addressee with its own outcome. Apprise returns only success or failure, so every failure
is retried. A URL with several targets succeeds or fails as a whole: apprise does not name the target that failed.
"""

from typing import TYPE_CHECKING

from alerting.decide.reason_detail import DetailCode, encode_detail
from alerting.delivery.addressees import build_delivery
from alerting.delivery.channel import AddresseeOutcome, Delivery, DeliveryContext, DeliveryOutcome
from alerting.delivery.settings import AppriseSettings
from alerting.message.email_content import render_email
from alerting.message.notification import Notification

if TYPE_CHECKING:
    import apprise


async def deliver(notification: Notification, channel: AppriseSettings, context: DeliveryContext) -> Delivery:
    """Deliver once through apprise, to each service that is not settled yet."""
    contents = render_email(notification, public_url=context.public_url)
    link = notification.acknowledge_url or f"{context.public_url.rstrip('/')}{notification.alert.page_path}"
    text = link if channel.short else contents.text
    content = f"{contents.subject}\n\n{text}".encode()
    try:
        import apprise  # noqa: PLC0415 - an optional dependency, and slow to import
    except ImportError:
        detail = "apprise is not installed: pip install 'piekwacht[apprise]'"
        return Delivery(outcome=DeliveryOutcome.FAILED, detail=detail, content=content)
    client = apprise.Apprise()
    has_only_services = client.add(channel.url_file.read_text())
    outcomes = [
        await _notify(name, service, contents.subject, text)
        for name, service in _name_services(client).items()
        if name not in context.settled
    ]
    if not has_only_services:
        detail = f"{channel.url_file}: no URL that apprise knows"
        outcomes.append(AddresseeOutcome(addressee="?", outcome=DeliveryOutcome.FAILED, detail=detail))
    if not outcomes:
        return Delivery(outcome=DeliveryOutcome.REFUSED, detail=encode_detail(DetailCode.UNCONFIGURED))
    return build_delivery(outcomes, "; ".join(dict.fromkeys(entry.detail for entry in outcomes)), content)


def _name_services(client: "apprise.Apprise") -> dict[str, "apprise.NotifyBase"]:
    """Return each service by its URL without secrets; a number separates those that differ only in a secret."""
    services: dict[str, apprise.NotifyBase] = {}
    for service in client:
        name = str(service.url(privacy=True))  # type: ignore[no-untyped-call]
        number = sum(other.partition(" ")[0] == name for other in services) + 1
        services[name if number == 1 else f"{name} {number}"] = service
    return services


async def _notify(name: str, service: "apprise.NotifyBase", subject: str, text: str) -> AddresseeOutcome:
    import apprise  # noqa: PLC0415 - as above

    client = apprise.Apprise()
    client.add(service)
    with apprise.LogCapture(  # type: ignore[no-untyped-call]
        level=apprise.logging.WARNING, fmt="%(message)s"
    ) as log:
        succeeded = await client.async_notify(body=text, title=subject, body_format=apprise.NotifyFormat.TEXT)
        log_text = " ".join(log.getvalue().split())
    outcome = DeliveryOutcome.DELIVERED if succeeded else DeliveryOutcome.FAILED
    detail = "apprise reports success" if succeeded else log_text or "apprise reports failure"
    return AddresseeOutcome(addressee=name, outcome=outcome, detail=detail)
