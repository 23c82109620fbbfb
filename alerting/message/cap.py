"""A notification as a CAP 1.2 document (OASIS, 1 July 2010), for safety regions and warning services. Pure.

The schema wants times with an offset and without fractions, and identifiers without spaces, commas, `<` and `&`.
"""

import re
from datetime import datetime, timedelta
from xml.etree import ElementTree as ET

from msgspec import structs

from alerting.alert import Alert, Change, Severity
from alerting.message.email_content import render_email
from alerting.message.notification import Notification
from alerting.message.texts import build_headline
from alerting.vocabulary import LOCAL_TIMEZONE, format_number, unit_symbol

_NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
_FORBIDDEN = re.compile(r"[\s,<&]+")
_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SEVERITIES = {severity: severity.value.capitalize() for severity in Severity}
_MAX_INFOS = 100  # alerts of a storm
_RADIUS_KM = 0.5  # km: what a station's public position, rounded to some hundred metres, stands for
_EXPIRES_AFTER = timedelta(hours=1)  # an alert that nobody updates expires


def build_cap_document(
    notification: Notification, *, sender: str, scope: str, addresses: str, public_url: str, sent: datetime
) -> bytes:
    """The whole document. The same bytes at every attempt: `sent` is when the alert came in."""
    root = ET.Element("alert", xmlns=_NAMESPACE)
    alert, original = notification.alert, notification.original
    _add_element(root, "identifier", _clean_identifier(notification.id))
    _add_element(root, "sender", _clean_identifier(sender))
    _add_element(root, "sent", _format_cap_time(sent))
    _add_element(root, "status", "System" if alert.is_about_network else "Actual")
    _add_element(root, "msgType", _message_type(notification))
    _add_element(root, "scope", scope)
    if scope == "Private":
        _add_element(root, "addresses", f'"{addresses}"' if " " in addresses else addresses)
    if original is not None:
        _add_element(
            root,
            "references",
            f"{_clean_identifier(sender)},{_clean_identifier(original.id)},{_format_cap_time(original.received_at)}",
        )
    for listed_alert in [alert, *notification.gathered][:_MAX_INFOS]:
        single_notification = structs.replace(notification, alert=listed_alert, gathered=())
        _add_info(root, single_notification, public_url)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}'.encode()


def _message_type(notification: Notification) -> str:
    if notification.original is None or notification.original.id == notification.id:
        return "Alert"
    return "Cancel" if notification.alert.change is Change.VOIDED else "Update"


def _add_info(root: ET.Element, notification: Notification, public_url: str) -> None:
    alert, language = notification.alert, notification.language
    info = ET.SubElement(root, "info")
    _add_element(info, "language", "nl-NL" if language == "nl" else "en-GB")
    _add_element(info, "category", "Infra" if alert.is_about_network else "Env")
    if not alert.is_about_network:
        _add_element(info, "category", "Health")
    _add_element(
        info,
        "event",
        alert.kind if alert.is_about_network else f"{alert.name_property(language)} ({alert.kind})",
    )
    _add_element(info, "urgency", "Immediate" if alert.firing else "Past")
    _add_element(info, "severity", _SEVERITIES[alert.severity])
    _add_element(info, "certainty", _certainty(alert))
    _add_element(info, "onset", _format_cap_time(alert.onset))
    _add_element(info, "expires", _format_cap_time((alert.end or alert.detected_at) + _EXPIRES_AFTER))
    _add_element(info, "headline", build_headline(alert, language)[:160])
    _add_element(info, "description", render_email(notification, public_url=public_url).text)
    _add_element(info, "web", f"{public_url.rstrip('/')}/events/{alert.event_id}")
    for key, value in _parameters(alert):
        parameter = ET.SubElement(info, "parameter")
        _add_element(parameter, "valueName", key)
        _add_element(parameter, "value", value)
    area = ET.SubElement(info, "area")
    _add_element(area, "areaDesc", alert.place.name or alert.area or "-")
    if alert.kind != "undeliverable":
        _add_element(area, "circle", f"{alert.place.latitude:.3f},{alert.place.longitude:.3f} {_RADIUS_KM}")


def _certainty(alert: Alert) -> str:
    if alert.change is Change.VOIDED:
        return "Unlikely"
    return "Observed" if alert.confidence >= 0.8 else "Likely" if alert.confidence >= 0.5 else "Possible"


def _parameters(alert: Alert) -> list[tuple[str, str]]:
    common = [("event_id", alert.event_id), ("revision", str(alert.revision)), ("change", alert.change.value)]
    if alert.is_about_network:
        return common
    symbol = unit_symbol(alert.unit)
    return [
        *common,
        ("peak", f"{format_number(alert.peak, 'en')} {symbol}"),
        ("background", f"{format_number(alert.background, 'en')} {symbol}"),
        ("confidence", f"{alert.confidence:.2f}"),
        ("detector", alert.detector),
    ]


def _add_element(parent: ET.Element, tag: str, text: str) -> None:
    ET.SubElement(parent, tag).text = _NOT_XML.sub(" ", text)


def _clean_identifier(text: str) -> str:
    return _FORBIDDEN.sub("-", _NOT_XML.sub("-", text))


def _format_cap_time(at: datetime) -> str:
    return at.astimezone(LOCAL_TIMEZONE).replace(microsecond=0).isoformat()
