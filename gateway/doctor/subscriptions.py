"""Check of the notices to residents: key, contact, sender, addresses in links, and the running service."""

from collections.abc import Iterator
from email.utils import getaddresses
from urllib.parse import urlsplit

from alerting.subscriptions.push_message import PushKeyError, VapidSigner
from alerting.subscriptions.settings import SubscriptionSettings, WebPushSettings
from alerting.vocabulary import count_things
from gateway.doctor.finding import Finding, FindingFactory
from gateway.doctor.services import START_REMEDY, Hosts, expected_url, fetch_metrics, metrics_url
from gateway.settings import Settings

_LATE = 300.0  # s; the alarm NoticesWait
_ANSWERED = "piekwacht_service_answered_timestamp_seconds/subscriptions"
# names that belong to nobody (RFC 2606, RFC 6761)
_RESERVED_ENDINGS = ("localhost", "example", "test", "invalid", "example.org", "example.com", "example.net")
_LOOPBACK_ADDRESSES = frozenset({"127.0.0.1", "::1"})
_FINDING = FindingFactory("subscriptions")


def check_subscriptions(settings: Settings, hosts: Hosts) -> Iterator[Finding]:
    """Whether residents who subscribe are notified."""
    subscriptions = settings.subscriptions
    if subscriptions is None:
        yield _FINDING.note("residents cannot subscribe to notices", "a choice: [subscriptions] lets them")
        return
    if subscriptions.push is None:
        yield _FINDING.note("residents get notices by e-mail only", "a choice: [subscriptions.push] adds browsers")
    else:
        yield from _check_push(subscriptions.push)
    yield from _check_addresses(settings, subscriptions)
    yield from _check_service(settings, hosts)


def _check_push(push: WebPushSettings) -> Iterator[Finding]:
    try:
        VapidSigner(push.key_file, push.contact)
    except PushKeyError as error:
        yield _FINDING.fault(
            f"no browser is notified ({error})",
            "if there was a key, put it back: with another key every browser must subscribe again",
        )
    if _is_placeholder(_host_of_contact(push.contact)):
        yield _FINDING.warning(
            f"the contact {push.contact} does not exist, and Apple refuses notices with it",
            "set [subscriptions.push] contact to an address that you read",
        )


def _check_addresses(settings: Settings, subscriptions: SubscriptionSettings) -> Iterator[Finding]:
    sender = subscriptions.sender or settings.alerting.smtp.sender
    if _is_placeholder(getaddresses([sender])[0][1].rpartition("@")[2]):
        yield _FINDING.warning(
            f"mails to residents come from {sender}, which does not exist: mail servers refuse them or call them spam",
            "set [subscriptions] sender, or [alerting.smtp] sender",
        )
    host = urlsplit(settings.alerting.public_url).hostname or ""
    if host in _LOOPBACK_ADDRESSES or _is_placeholder(host):
        yield _FINDING.warning(
            f"links in notices lead to {settings.alerting.public_url}, which no resident can open",
            "set [alerting] public_url to the address of the map",
        )


def _check_service(settings: Settings, hosts: Hosts) -> Iterator[Finding]:
    metrics = fetch_metrics(settings, hosts, "subscriptions", _ANSWERED)
    if metrics is None:
        has_port = metrics_url(settings, hosts, "subscriptions") is not None
        yield _FINDING.fault(
            f"the service of subscriptions does not answer at {expected_url(settings, hosts, 'subscriptions')}",
            START_REMEDY if has_port else "start it; if it runs, set [telemetry] subscriptions_port",
        )
        return
    waiting = count_things(round(metrics.get("piekwacht_notice_queue_size", 0)), "notice")
    delay = metrics.get("piekwacht_notice_queue_delay_seconds", 0)
    if delay > _LATE:
        yield _FINDING.warning(
            f"the oldest notice to a resident has waited for {delay:.0f} s, of {waiting} in all",
            "see the log of subscriptions: is the database, the mail server or a push service slow?",
        )
    else:
        yield _FINDING.ok(f"the service of subscriptions answers, {waiting} in its queue")


def _host_of_contact(contact: str) -> str:
    return contact.rpartition("@")[2] if contact.startswith("mailto:") else urlsplit(contact).hostname or ""


def _is_placeholder(host: str) -> bool:
    """Whether no machine on the internet has this name; one without a dot is a machine's own or a blank to fill in."""
    name = f".{host.lower().rstrip('.')}"
    return "." not in host or any(name.endswith(f".{ending}") for ending in _RESERVED_ENDINGS)
