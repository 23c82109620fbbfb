"""A notification as a CAP 1.2 document (OASIS, 1 July 2010), for safety regions and warning services. Pure.

The schema wants times with an offset and without fractions, and identifiers without spaces, commas, `<` and `&`.
"""

import re
from datetime import datetime, timedelta
from xml.etree import ElementTree as ET

from msgspec import structs

from alerting.alert import Alert, Change, Severity
from alerting.message.email_content import mail
from alerting.message.notification import Notification
from alerting.message.texts import headline
from alerting.vocabulary import LOCAL, name, number, unit

_SPACE = "urn:oasis:names:tc:emergency:cap:1.2"
_FORBIDDEN = re.compile(r"[\s,<&]+")
_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SEVERITIES = {one: one.value.capitalize() for one in Severity}
_MOST = 100  # alerts of a storm
_RADIUS = 0.5  # km: what a station's public position, rounded to some hundred metres, stands for
_GOOD_FOR = timedelta(hours=1)  # an alert that nobody updates expires


def document(
    notification: Notification, *, sender: str, scope: str, addresses: str, public_url: str, sent: datetime
) -> bytes:
    """The whole document. The same bytes at every attempt: `sent` is when the alert came in."""
    root = ET.Element("alert", xmlns=_SPACE)
    alert, original = notification.alert, notification.original
    _add(root, "identifier", _plain(notification.id))
    _add(root, "sender", _plain(sender))
    _add(root, "sent", _moment(sent))
    _add(root, "status", "System" if alert.quiet else "Actual")
    _add(root, "msgType", _kind(notification))
    _add(root, "scope", scope)
    if scope == "Private":
        _add(root, "addresses", f'"{addresses}"' if " " in addresses else addresses)
    if original is not None:
        _add(root, "references", f"{_plain(sender)},{_plain(original.id)},{_moment(original.received_at)}")
    for one in [alert, *notification.gathered][:_MOST]:
        alone = structs.replace(notification, alert=one, gathered=())
        _info(root, alone, public_url)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}'.encode()


def _kind(notification: Notification) -> str:
    if notification.original is None or notification.original.id == notification.id:
        return "Alert"
    return "Cancel" if notification.alert.change is Change.VOIDED else "Update"


def _info(root: ET.Element, notification: Notification, public_url: str) -> None:
    alert, language = notification.alert, notification.language
    info = ET.SubElement(root, "info")
    _add(info, "language", "nl-NL" if language == "nl" else "en-GB")
    _add(info, "category", "Infra" if alert.quiet else "Env")
    if not alert.quiet:
        _add(info, "category", "Health")
    _add(info, "event", alert.kind if alert.quiet else f"{name(alert.observed_property, language)} ({alert.kind})")
    _add(info, "urgency", "Immediate" if alert.firing else "Past")
    _add(info, "severity", _SEVERITIES[alert.severity])
    _add(info, "certainty", _certainty(alert))
    _add(info, "onset", _moment(alert.onset))
    _add(info, "expires", _moment((alert.end or alert.detected_at) + _GOOD_FOR))
    _add(info, "headline", headline(alert, language)[:160])
    _add(info, "description", mail(notification, public_url=public_url).text)
    _add(info, "web", f"{public_url.rstrip('/')}/events/{alert.event_id}")
    for key, value in _parameters(alert):
        parameter = ET.SubElement(info, "parameter")
        _add(parameter, "valueName", key)
        _add(parameter, "value", value)
    area = ET.SubElement(info, "area")
    _add(area, "areaDesc", alert.place.name or alert.area or "-")
    if alert.kind != "undeliverable":
        _add(area, "circle", f"{alert.place.latitude:.3f},{alert.place.longitude:.3f} {_RADIUS}")


def _certainty(alert: Alert) -> str:
    if alert.change is Change.VOIDED:
        return "Unlikely"
    return "Observed" if alert.confidence >= 0.8 else "Likely" if alert.confidence >= 0.5 else "Possible"


def _parameters(alert: Alert) -> list[tuple[str, str]]:
    always = [("event_id", alert.event_id), ("revision", str(alert.revision)), ("change", alert.change.value)]
    if alert.quiet:
        return always
    shown = unit(alert.unit)
    return [
        *always,
        ("peak", f"{number(alert.peak, 'en')} {shown}"),
        ("background", f"{number(alert.background, 'en')} {shown}"),
        ("confidence", f"{alert.confidence:.2f}"),
        ("detector", alert.detector),
    ]


def _add(parent: ET.Element, tag: str, text: str) -> None:
    ET.SubElement(parent, tag).text = _NOT_XML.sub(" ", text)


def _plain(text: str) -> str:
    return _FORBIDDEN.sub("-", _NOT_XML.sub("-", text))


def _moment(at: datetime) -> str:
    return at.astimezone(LOCAL).replace(microsecond=0).isoformat()
