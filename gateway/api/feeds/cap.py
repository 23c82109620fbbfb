"""One event as a CAP 1.2 alert (OASIS Common Alerting Protocol), for systems that take in warnings.

Its schema fixes the order of the elements and wants local times with an offset, without fractions and without Z.
"""

from collections.abc import Sequence
from datetime import datetime
from xml.etree import ElementTree as ET

from alerting.vocabulary import LOCAL_TIMEZONE
from gateway.api.feeds.syndication import add_element, encode_document
from gateway.api.schemas.events import Event, Revision
from gateway.api.settings import ApiSettings

_NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
_RADIUS_KM = 1.0  # how far around a station's rounded position a short peak says something


def build_cap_alert(
    event: Event,
    revisions: Sequence[Revision],
    *,
    description: str,
    headline: str,
    position: tuple[float, float],
    settings: ApiSettings,
) -> bytes:
    """The newest revision, referring to the ones before it. `place` is latitude, longitude."""
    sender = settings.email
    earlier = [revision for revision in revisions if revision.revision < event.revision]
    root = ET.Element("alert", {"xmlns": _NAMESPACE})
    add_element(root, "identifier", _identifier(event.id, event.revision))
    add_element(root, "sender", sender)
    add_element(root, "sent", _format_time(event.changed_at))
    add_element(root, "status", "Exercise" if settings.replay else "Actual")
    add_element(root, "msgType", "Cancel" if event.change == "voided" else "Update" if earlier else "Alert")
    add_element(root, "scope", "Public")
    if earlier:
        references = (
            f"{sender},{_identifier(event.id, revision.revision)},{_format_time(revision.changed_at)}"
            for revision in earlier
        )
        add_element(root, "references", " ".join(references))
    _add_info(root, event, description, headline, settings)
    area = add_element(root[-1], "area")
    add_element(area, "areaDesc", event.station_name)
    add_element(area, "circle", f"{position[0]:.3f},{position[1]:.3f} {_RADIUS_KM:.0f}")
    return encode_document(root)


def _add_info(root: ET.Element, event: Event, description: str, headline: str, settings: ApiSettings) -> None:
    info = add_element(root, "info")
    add_element(info, "language", "nl-NL")
    add_element(info, "category", "Env")
    add_element(info, "category", "Health")
    add_element(info, "event", f"Korte piek {event.observed_property}")
    add_element(info, "responseType", "Monitor")
    add_element(info, "urgency", "Past" if event.end else "Immediate")
    add_element(info, "severity", event.severity.capitalize())
    add_element(info, "certainty", "Likely" if event.confidence > 0.5 else "Possible")
    add_element(info, "onset", _format_time(event.onset))
    add_element(info, "senderName", settings.operator)
    add_element(info, "headline", headline[:160])
    add_element(info, "description", description)
    add_element(info, "web", f"{settings.public_url.rstrip('/')}/events/{event.id}")
    add_element(info, "contact", settings.contact)
    for name, value in (("peak", event.peak), ("background", event.background), ("confidence", event.confidence),
                        ("unit", event.unit), ("detector", event.detector)):  # fmt: skip
        parameter = add_element(info, "parameter")
        add_element(parameter, "valueName", name)
        add_element(parameter, "value", str(value))


def _identifier(event: str, revision: int) -> str:
    return f"piekwacht-{event}-{revision}"


def _format_time(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(LOCAL_TIMEZONE).isoformat(timespec="seconds")
