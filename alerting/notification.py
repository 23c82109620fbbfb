"""What a person or a machine reads: one alert rendered for one channel. Pure."""

import hashlib
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from msgspec import Struct, json

from alerting.alert import Alert, Change, Severity

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


class Mail(Struct, frozen=True, kw_only=True):
    """One e-mail's contents; the subject is a single line."""

    subject: str
    text: str
    html: str


def mail(alert: Alert, *, public_url: str, repeat: bool) -> Mail:
    """The alert in plain Dutch. `repeat`: an earlier attempt may have arrived."""
    words = {
        "alert": alert,
        "what": _NAMES.get(alert.observed_property, alert.observed_property),
        "unit": _UNITS.get(alert.unit, alert.unit),
        "severity": _SEVERITIES[alert.severity],
        "change": _CHANGES[alert.change],
        "times": _times(alert),
        "url": f"{public_url.rstrip('/')}/events/{alert.event_id}",
        "repeat": repeat,
        "since": _clock(alert.onset),
        "at_peak": _clock(alert.peak_at),
        "detected": _clock(alert.detected_at),
        "until": _clock(alert.end) if alert.end else None,
        "peak": number(alert.peak),
        "background": number(alert.background),
        "excess": number(alert.excess),
        "sure": f"{alert.confidence:.0%}",
        "sentence": alert.sentence.get("nl"),
    }
    subject = (
        f"{words['change']} {words['what']} bij {alert.place.name}: {words['peak']} {words['unit']}{words['times']}"
    )
    return Mail(
        subject=" ".join(subject.split()),
        text=_TEMPLATES.get_template("mail.txt").render(words),
        html=_TEMPLATES.get_template("mail.html").render(words),
    )


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


def cloud_event(alert: Alert, *, source: str, public_url: str, at: datetime) -> bytes:
    """The alert as a CloudEvent of the NL GOV profile 1.0, in JSON."""
    kind = {
        Change.OPENED: "gedetecteerd",
        Change.UPDATED: "bijgewerkt",
        Change.ENDED: "beeindigd",
        Change.VOIDED: "ingetrokken",
    }[alert.change]
    return json.encode(
        {
            "specversion": "1.0",
            "id": f"{alert.event_id}-{alert.revision}",
            "source": source,
            "type": f"nl.piekwacht.pieken.{kind}.v1",
            "subject": alert.event_id,
            "time": at,
            "datacontenttype": "application/json",
            "dataref": f"{public_url.rstrip('/')}/api/v1/events/{alert.event_id}",
            "data": alert,
        }
    )


def digest(content: bytes) -> bytes:
    """SHA-256 of exactly what was sent."""
    return hashlib.sha256(content).digest()
