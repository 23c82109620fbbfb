"""The CAP 1.2 writer (OASIS Common Alerting Protocol, 1 July 2010), for safety regions and warning services. Pure.

The CAP channel and the public feed of the API both write through this module. One peak therefore has the same
certainty, urgency, circle and expiry in both. A document is valid by the schema of OASIS for any text: characters that
XML or the schema does not allow are replaced. The schema fixes the order of the elements and requires times with an
offset and without fractions, and identifiers without spaces, commas, `<` and `&`.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from xml.etree import ElementTree as ET

from msgspec import Struct

from alerting.alert import Alert, Change
from alerting.message.texts import build_headline
from alerting.vocabulary import LOCAL_TIMEZONE, Language, averaging_text, format_number, format_peak, unit_symbol

_NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
_FORBIDDEN = re.compile(r"[\s,<&]+")
_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_RADIUS_KM = 0.5  # km: what a station's public position, rounded to some hundred metres, stands for
_EXPIRES_AFTER = timedelta(hours=1)  # after the attempt to send: an alert that nobody updates expires
_MAX_HEADLINE_LENGTH = 160  # characters, as CAP 1.2 recommends


class CapStatus(StrEnum):
    """How a receiver has to handle the document."""

    ACTUAL = "Actual"
    EXERCISE = "Exercise"
    TEST = "Test"
    SYSTEM = "System"  # about the measuring network, not about the air


class CapReference(Struct, frozen=True, kw_only=True):
    """An earlier document of the same sender about the same event."""

    identifier: str
    sent: datetime


class CapInfo(Struct, frozen=True, kw_only=True):
    """One event in one language. `position`: latitude and longitude in degrees, or None if the event has no place.

    `parameters` are pairs of a name and a value. An empty `instruction`, `response_type`, `sender_name` or
    `contact` is left out.
    """

    language: Language
    categories: Sequence[str]
    event_name: str
    urgency: str
    severity: str
    certainty: str
    onset: datetime
    expires: datetime
    headline: str
    description: str
    web: str
    parameters: Sequence[tuple[str, str]]
    area_name: str
    position: tuple[float, float] | None
    instruction: str = ""
    response_type: str = ""
    sender_name: str = ""
    contact: str = ""


class CapMessage(Struct, frozen=True, kw_only=True):
    """One document. `is_cancelled`: the event was voided or merged, so earlier documents no longer hold.

    `addresses` names the recipient, and is written only if `scope` is Private.
    """

    identifier: str
    sender: str
    sent: datetime
    status: CapStatus
    is_cancelled: bool
    scope: str
    infos: Sequence[CapInfo]
    references: Sequence[CapReference] = ()
    addresses: str = ""


def build_cap(message: CapMessage) -> bytes:
    """Write the document; equal messages give equal bytes."""
    root = ET.Element("alert", xmlns=_NAMESPACE)
    sender = _clean_identifier(message.sender)
    _add_element(root, "identifier", _clean_identifier(message.identifier))
    _add_element(root, "sender", sender)
    _add_element(root, "sent", _format_cap_time(message.sent))
    _add_element(root, "status", message.status)
    # an update or a cancellation without references is against CAP 1.2
    _add_element(root, "msgType", "Alert" if not message.references else "Cancel" if message.is_cancelled else "Update")
    _add_element(root, "scope", message.scope)
    if message.scope == "Private":
        addresses = message.addresses
        _add_element(root, "addresses", f'"{addresses}"' if " " in addresses else addresses)
    if message.references:
        references = (
            f"{sender},{_clean_identifier(reference.identifier)},{_format_cap_time(reference.sent)}"
            for reference in message.references
        )
        _add_element(root, "references", " ".join(references))
    for info in message.infos:
        _add_info(root, info)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}'.encode()


def describe_alert(
    alert: Alert,
    *,
    language: Language,
    description: str,
    public_url: str,
    valid_from: datetime,
    instruction: str = "",
) -> CapInfo:
    """One alert as an info block: the rules for certainty, urgency, circle and expiry are here.

    `valid_from`: the moment of the attempt to send, from which the document is valid for an hour. A late document thus
    never arrives expired, and `expires` never lies before `sent`. `instruction`: what people should do, such as health
    advice.
    """
    about_network = alert.is_about_network
    peak_name = f"{alert.name_property(language)} ({alert.kind})"
    has_place = alert.kind != "undeliverable" and not alert.is_test
    return CapInfo(
        language=language,
        categories=("Infra",) if about_network else ("Env", "Health"),
        event_name=alert.kind if about_network else peak_name,
        urgency=_urgency(alert),
        severity=alert.severity.value.capitalize(),
        certainty=_certainty(alert),
        onset=alert.onset,
        expires=valid_from + _EXPIRES_AFTER,
        headline=build_headline(alert, language),
        description=description,
        web=f"{public_url.rstrip('/')}{alert.page_path}",
        parameters=_parameters(alert),
        area_name=alert.place.name or alert.area or "-",
        instruction=instruction,
        position=(alert.place.latitude, alert.place.longitude) if has_place else None,
    )


def _add_info(root: ET.Element, info: CapInfo) -> None:
    element = ET.SubElement(root, "info")
    _add_element(element, "language", "nl-NL" if info.language == "nl" else "en-GB")
    for category in info.categories:
        _add_element(element, "category", category)
    _add_element(element, "event", info.event_name)
    _add_optional_element(element, "responseType", info.response_type)
    _add_element(element, "urgency", info.urgency)
    _add_element(element, "severity", info.severity)
    _add_element(element, "certainty", info.certainty)
    _add_element(element, "onset", _format_cap_time(info.onset))
    _add_element(element, "expires", _format_cap_time(info.expires))
    _add_optional_element(element, "senderName", info.sender_name)
    _add_element(element, "headline", info.headline[:_MAX_HEADLINE_LENGTH])
    _add_element(element, "description", info.description)
    _add_optional_element(element, "instruction", info.instruction)
    _add_element(element, "web", info.web)
    _add_optional_element(element, "contact", info.contact)
    for name, value in info.parameters:
        parameter = ET.SubElement(element, "parameter")
        _add_element(parameter, "valueName", name)
        _add_element(parameter, "value", value)
    area = ET.SubElement(element, "area")
    _add_element(area, "areaDesc", info.area_name)
    if info.position is not None:
        latitude, longitude = info.position
        _add_element(area, "circle", f"{latitude:.3f},{longitude:.3f} {_RADIUS_KM}")


def _urgency(alert: Alert) -> str:
    """Past if it is over, Unknown if late data show a beginning without an end."""
    if not alert.firing or alert.end is not None:
        return "Past"
    return "Unknown" if alert.detected_late else "Immediate"


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
        ("peak", format_peak(alert.peak, alert.background, alert.unit, "en")),
        ("averaging", averaging_text(alert.peak_averaging, "en")),  # of `peak`
        ("background", f"{format_number(alert.background, 'en')} {symbol}"),
        ("unit", alert.unit),  # UCUM, for programs
        ("confidence", f"{alert.confidence:.2f}"),
        ("detector", alert.detector),
    ]


def _add_element(parent: ET.Element, tag: str, text: str) -> None:
    ET.SubElement(parent, tag).text = _NOT_XML.sub(" ", text)


def _add_optional_element(parent: ET.Element, tag: str, text: str) -> None:
    if text:
        _add_element(parent, tag, text)


def _clean_identifier(text: str) -> str:
    return _FORBIDDEN.sub("-", _NOT_XML.sub("-", text))


def _format_cap_time(at: datetime) -> str:
    return at.astimezone(LOCAL_TIMEZONE).replace(microsecond=0).isoformat()
