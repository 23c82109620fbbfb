"""One event as a CAP 1.2 alert (OASIS Common Alerting Protocol), for systems that take in warnings.

Its schema fixes the order of the elements and wants local times with an offset, without fractions and without Z.
"""

from collections.abc import Sequence
from datetime import datetime
from xml.etree import ElementTree as ET

from alerting.vocabulary import LOCAL
from gateway.api.feeds.syndication import put, written
from gateway.api.schemas.events import Event, Revision
from gateway.api.settings import ApiSettings

_NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
_KM = 1.0  # how far around a station's rounded position a short peak says something


def alert(
    event: Event,
    revisions: Sequence[Revision],
    *,
    words: str,
    headline: str,
    place: tuple[float, float],
    settings: ApiSettings,
) -> bytes:
    """The newest revision, referring to the ones before it. `place` is latitude, longitude."""
    sender = settings.email
    before = [one for one in revisions if one.revision < event.revision]
    root = ET.Element("alert", {"xmlns": _NAMESPACE})
    put(root, "identifier", _identifier(event.id, event.revision))
    put(root, "sender", sender)
    put(root, "sent", _moment(event.changed_at))
    put(root, "status", "Exercise" if settings.replay else "Actual")
    put(root, "msgType", "Cancel" if event.change == "voided" else "Update" if before else "Alert")
    put(root, "scope", "Public")
    if before:
        known = (f"{sender},{_identifier(event.id, one.revision)},{_moment(one.changed_at)}" for one in before)
        put(root, "references", " ".join(known))
    _info(root, event, words, headline, settings)
    area = put(root[-1], "area")
    put(area, "areaDesc", event.station_name)
    put(area, "circle", f"{place[0]:.3f},{place[1]:.3f} {_KM:.0f}")
    return written(root)


def _info(root: ET.Element, event: Event, words: str, headline: str, settings: ApiSettings) -> None:
    info = put(root, "info")
    put(info, "language", "nl-NL")
    put(info, "category", "Env")
    put(info, "category", "Health")
    put(info, "event", f"Korte piek {event.observed_property}")
    put(info, "responseType", "Monitor")
    put(info, "urgency", "Past" if event.end else "Immediate")
    put(info, "severity", event.severity.capitalize())
    put(info, "certainty", "Likely" if event.confidence > 0.5 else "Possible")
    put(info, "onset", _moment(event.onset))
    put(info, "senderName", settings.operator)
    put(info, "headline", headline[:160])
    put(info, "description", words)
    put(info, "web", f"{settings.public_url.rstrip('/')}/events/{event.id}")
    put(info, "contact", settings.contact)
    for name, value in (("peak", event.peak), ("background", event.background), ("confidence", event.confidence),
                        ("unit", event.unit), ("detector", event.detector)):  # fmt: skip
        parameter = put(info, "parameter")
        put(parameter, "valueName", name)
        put(parameter, "value", str(value))


def _identifier(event: str, revision: int) -> str:
    return f"piekwacht-{event}-{revision}"


def _moment(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(LOCAL).isoformat(timespec="seconds")
