"""What a person or a machine reads: one alert rendered for one channel. Pure."""

import hashlib
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError, select_autoescape
from msgspec import Struct, json

from alerting.alert import Alert, Change, Severity
from alerting.routing import Reason

_LOCAL = ZoneInfo("Europe/Amsterdam")
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

_NAMES = {
    "pm1": "PM1",
    "pm2_5": "PM2,5",
    "pm4": "PM4",
    "pm10": "PM10",
    "voc_raw": "VOC (ruw signaal)",
    "voc_ppb": "VOC",
    "ch4": "methaan",
}
_UNITS = {"ug/m3": "µg/m³", "[ppm]": "ppm", "[ppb]": "ppb", "{ticks}": "eenheden"}
_SEVERITIES = {
    Severity.MINOR: "licht",
    Severity.MODERATE: "matig",
    Severity.SEVERE: "ernstig",
    Severity.EXTREME: "zeer ernstig",
}
_CHANGES = {
    Change.OPENED: "Piek",
    Change.UPDATED: "Piek stijgt",
    Change.ENDED: "Piek voorbij",
    Change.VOIDED: "Correctie: geen piek",
}


_TYPES = {
    Change.OPENED: "gedetecteerd",
    Change.UPDATED: "bijgewerkt",
    Change.ENDED: "beeindigd",
    Change.VOIDED: "ingetrokken",
}
_REASONS = {
    "far_above_noise": "ver boven de ruis",
    "near_noise": "dicht bij de ruis",
    "humidity": "vochtige lucht kan meespelen",
    "jump": "sprong in het signaal",
    "stuck": "sensor gaf lang dezelfde waarde",
}
_SHOWN = 40  # alerts in the mail of a storm
_LISTED = 400  # alerts in the CloudEvent of a storm, which may be 64 KB


class Notification(Struct, frozen=True, kw_only=True):
    """One alert for one receiver and channel; `gathered`: others that a storm put into the same message.

    `repeat`: an earlier attempt may have arrived. `id` is the same at every attempt.
    """

    alert: Alert
    id: str
    reason: Reason = Reason.ROUTED
    gathered: tuple[Alert, ...] = ()
    repeat: bool = False


class Mail(Struct, frozen=True, kw_only=True):
    """One e-mail's contents; the subject is a single line. No html: a template was broken, the text is the plainest."""

    subject: str
    text: str
    html: str | None


def mail(notification: Notification, *, public_url: str, templates: Environment = _TEMPLATES) -> Mail:
    """The notification in plain Dutch. Never fails: what a template cannot say is said without it."""
    words = _words(notification, public_url)
    subject = " ".join(str(words["subject"]).split())
    name = "storm" if notification.gathered else "mail"
    try:
        text, html = (templates.get_template(f"{name}.{kind}").render(words) for kind in ("txt", "html"))
    except TemplateError as error:
        plain = f"{subject}\n\nAlle gegevens: {words['url']}\n\n(Het sjabloon van dit bericht is stuk: {error})\n"
        return Mail(subject=subject, text=plain, html=None)
    return Mail(subject=subject, text=text, html=html)


def _words(notification: Notification, public_url: str) -> dict[str, object]:
    alert, url = notification.alert, public_url.rstrip("/")
    prefix = {Reason.REMINDED: "Herinnering: ", Reason.ESCALATED: "Niet beantwoord: "}.get(notification.reason, "")
    facts = _facts(alert)
    subject = f"{prefix}{_headline(alert)}"
    everything = sorted([alert, *notification.gathered], key=lambda one: (-one.severity.rank, one.onset))
    if notification.gathered:
        places = len({one.station for one in everything})
        where = "1 plaats" if places == 1 else f"{places} plaatsen"
        subject = f"{len(everything)} meldingen van {where}, ernstigste: {_headline(everything[0])}"
    return facts | {
        "subject": subject,
        "url": f"{url}/" if notification.gathered else f"{url}/events/{alert.event_id}",
        "repeat": notification.repeat,
        "reminder": notification.reason is Reason.REMINDED,
        "escalated": notification.reason is Reason.ESCALATED,
        "lines": [(_headline(one), _clock(one.onset), f"{url}/events/{one.event_id}") for one in everything[:_SHOWN]],
        "more": max(0, len(everything) - _SHOWN),
        "count": len(everything),
    }


def _headline(alert: Alert) -> str:
    what = _NAMES.get(alert.observed_property, alert.observed_property)
    unit = _UNITS.get(alert.unit, alert.unit)
    return f"{_CHANGES[alert.change]} {what} bij {alert.place.name}: {number(alert.peak)} {unit}{_times(alert)}"


def _facts(alert: Alert) -> dict[str, object]:
    return {
        "alert": alert,
        "what": _NAMES.get(alert.observed_property, alert.observed_property),
        "unit": _UNITS.get(alert.unit, alert.unit),
        "severity": _SEVERITIES[alert.severity],
        "change": _CHANGES[alert.change],
        "times": _times(alert),
        "since": _clock(alert.onset),
        "at_peak": _clock(alert.peak_at),
        "detected": _clock(alert.detected_at),
        "until": _clock(alert.end) if alert.end else None,
        "peak": number(alert.peak),
        "background": number(alert.background),
        "excess": number(alert.excess),
        "sure": f"{alert.confidence:.0%}",
        "why": ", ".join(_REASONS.get(reason, reason.replace("_", " ")) for reason in alert.reasons),
        "sentence": alert.sentence.get("nl"),
    }


def number(value: float) -> str:
    """A figure as Dutch readers write it: two or three significant digits, decimal comma."""
    text = f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 1 else f"{value:.2f}"
    return text.replace(".", ",")


def _times(alert: Alert) -> str:
    if alert.background <= 0 or alert.peak / alert.background < 1.5:
        return ""
    return f" ({alert.peak / alert.background:.0f}× achtergrond)"


def _clock(at: datetime) -> str:
    local = at.astimezone(_LOCAL)
    days = ("ma", "di", "wo", "do", "vr", "za", "zo")
    return f"{days[local.weekday()]} {local:%d-%m-%Y %H:%M:%S} ({local:%Z}, UTC{local:%z})"


def cloud_event(notification: Notification, *, source: str, public_url: str, at: datetime) -> bytes:
    """The notification as a CloudEvent of the NL GOV profile 1.0, in JSON. The same bytes at every attempt."""
    alert = notification.alert
    event: dict[str, object] = {
        "specversion": "1.0",
        "id": f"{alert.event_id}-{alert.revision}",
        "source": source,
        "type": f"nl.piekwacht.pieken.{_TYPES[alert.change]}.v1",
        "subject": alert.event_id,
        "time": at,
        "datacontenttype": "application/json",
        "dataref": f"{public_url.rstrip('/')}/api/v1/events/{alert.event_id}",
        "data": alert,
    }
    if notification.reason in {Reason.REMINDED, Reason.ESCALATED}:
        kind = "herinnerd" if notification.reason is Reason.REMINDED else "geescaleerd"
        event |= {"id": notification.id, "type": f"nl.piekwacht.pieken.{kind}.v1"}
    if notification.gathered:
        everything = [alert, *notification.gathered]
        event |= {
            "id": notification.id,
            "type": "nl.piekwacht.pieken.verzameld.v1",
            "dataref": f"{public_url.rstrip('/')}/api/v1/events",
            "data": {
                "count": len(everything),
                "alerts": [
                    {"event_id": one.event_id, "revision": one.revision, "change": one.change, "severity": one.severity}
                    for one in everything[:_LISTED]
                ],
            },
        }
    return json.encode(event)


def digest(content: bytes) -> bytes:
    """SHA-256 of exactly what was sent."""
    return hashlib.sha256(content).digest()
