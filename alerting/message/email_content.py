"""An e-mail's subject, text and HTML in the receiver's language, from the templates. Pure.

Called by the channels email, zaken and apprise. A template that fails does not raise: the text is then minimal.
"""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, TemplateError
from msgspec import Struct, structs

from alerting.alert import Alert, Change
from alerting.decide.routing import DecisionReason
from alerting.message.notification import Notification
from alerting.message.texts import (
    build_headline,
    build_opening,
    change_text,
    describe_site,
    format_duration,
    format_ratio,
)
from alerting.templates import load_templates
from alerting.vocabulary import (
    Language,
    flag_text,
    format_number,
    format_time,
    format_time_of_day,
    localize_decimal,
    reason_text,
    severity_text,
    texts_of,
    unit_symbol,
)

_TEMPLATES = load_templates(Path(__file__).with_name("templates"))
_MAX_LISTED = 40  # alerts in the mail about many
_REASONS_WITH_NOTE = {DecisionReason.REMINDED, DecisionReason.ESCALATED, DecisionReason.EASED, DecisionReason.NO_DATA}
CHART_CONTENT_ID = "piek@piekwacht"  # the Content-ID of the drawing


class EmailContent(Struct, frozen=True, kw_only=True):
    """One e-mail's contents; the subject is one line. `template_error`: a template's error, then `html` is None."""

    subject: str
    text: str
    html: str | None
    template_error: str | None = None


def render_email(
    notification: Notification, *, public_url: str, with_chart: bool = False, templates: Environment = _TEMPLATES
) -> EmailContent:
    """Render the notification for people. If a template fails, the text holds the subject and the links.

    `with_chart`: a drawing goes with the mail, which the HTML shows by its Content-ID.
    """
    values = _template_values(notification, public_url) | {"chart_cid": CHART_CONTENT_ID if with_chart else None}
    subject = " ".join(str(values["subject"]).split())
    is_summary, is_about_network = _is_summary(notification), notification.alert.is_about_network
    template_name = "summary" if is_summary else "network" if is_about_network else "alert"
    try:
        text, html = (
            templates.get_template(f"{template_name}.{extension}").render(values) for extension in ("txt", "html")
        )
    except TemplateError as error:
        texts = texts_of("email", notification.language)
        lines = [subject, f"{texts['data']}: {values['url']}", f"{texts['answer']}: {values['acknowledge_url'] or '-'}"]
        text = "\n\n".join([*lines, f"({texts['broken']}: {error})", ""])
        return EmailContent(subject=subject, text=text, html=None, template_error=f"{template_name}: {error}")
    return EmailContent(subject=subject, text=text, html=html)


def _is_summary(notification: Notification) -> bool:
    return bool(notification.gathered) or notification.reason is DecisionReason.DIGEST


def _template_values(notification: Notification, public_url: str) -> dict[str, object]:
    if notification.reason is DecisionReason.EASED:  # its opening must not be that of an update, "rises"
        alert = structs.replace(notification.alert, change=Change.OPENED)
        notification = structs.replace(notification, alert=alert)
    alert, language, original = notification.alert, notification.language, notification.original
    pages_url = public_url.rstrip("/") + ("" if language == "nl" else "/en")
    alerts = sorted([alert, *notification.gathered], key=lambda entry: (-entry.severity.rank, entry.onset))
    note = (
        texts_of("email", language)[f"{notification.reason.value}_note"]
        if notification.reason in _REASONS_WITH_NOTE
        else None
    )
    return {
        **_alert_values(notification),
        **_summary_values(alerts, notification, f"{pages_url}/events"),
        "texts": texts_of("email", language),
        "language": language,
        "subject": _build_subject(alerts, notification),
        "url": f"{pages_url}/"
        if _is_summary(notification) or alert.is_about_network
        else f"{pages_url}/events/{alert.event_id}",
        "repeat": notification.repeat,
        "note": note,
        "acknowledge_url": notification.acknowledge_url,
        "original": format_time(original.sent_at, language) if original else None,
        "is_worse": _is_worse_than_original(notification),
    }


def _build_subject(alerts: Sequence[Alert], notification: Notification) -> str:
    alert, language, texts = notification.alert, notification.language, texts_of("email", notification.language)
    if notification.reason is DecisionReason.DIGEST:
        return texts["digest"].format(count=len(alerts))
    if notification.gathered:
        places = len({entry.station for entry in alerts})
        worst = build_headline(alerts[0], language)
        return texts["storm"].format(count=len(alerts), where=texts.plural("places", places), worst=worst)
    prefix = texts[notification.reason.value] if notification.reason in _REASONS_WITH_NOTE else ""
    return f"{prefix}{build_headline(alert, language)}"


def _summary_values(alerts: Sequence[Alert], notification: Notification, events_url: str) -> dict[str, object]:
    """The values of a mail about many alerts."""
    language, texts, count = notification.language, texts_of("email", notification.language), len(alerts)
    return {
        "intro": texts["digested"]
        if notification.reason is DecisionReason.DIGEST
        else texts["gathered"].format(count=count),
        "lines": [
            (build_headline(alert, language), format_time(alert.onset, language), f"{events_url}/{alert.event_id}")
            for alert in alerts[:_MAX_LISTED]
        ],
        "more_count": max(0, count - _MAX_LISTED),
        "count": count,
    }


def _is_worse_than_original(notification: Notification) -> bool:
    """Whether the event has ended with a higher severity than the first notification had."""
    alert, original = notification.alert, notification.original
    original_severity = original.severity if original is not None else None
    return (
        alert.change is Change.ENDED and original_severity is not None and alert.severity.rank > original_severity.rank
    )


def _alert_values(notification: Notification) -> dict[str, object]:
    alert, language = notification.alert, notification.language
    reasons = ", ".join(reason_text(code, language) for code in alert.reasons)
    return {
        "alert": alert,
        "property_name": alert.name_property(language),
        "unit": unit_symbol(alert.unit),
        "severity": severity_text(alert.severity, language),
        "change": change_text(alert.change, language),
        "opening": build_opening(alert, language),
        "sites": [describe_site(site, language) for site in alert.sites],
        "ratio": format_ratio(alert, language),
        "onset": format_time(alert.onset, language),
        "peak_at": format_time(alert.peak_at, language),
        "detected_at": format_time(alert.detected_at, language),
        "end": format_time(alert.end, language) if alert.end else None,
        "duration": _format_event_duration(alert, language),
        "peak": format_number(alert.peak, language),
        "background": format_number(alert.background, language),
        "excess": format_number(alert.excess, language),
        "confidence": f"{alert.confidence * 100:.0f} %" + (f" ({reasons})" if reasons else ""),
        # the sentence describes a peak, and a voided event was none
        "sentence": None if alert.change is Change.VOIDED else alert.sentence.get(language),
        "voided": alert.change is Change.VOIDED,
        **_time_series_values(notification),
    }


def _time_series_values(notification: Notification) -> dict[str, object]:
    """Spacing of the values around the peak, their mean so far, and their flags."""
    alert, language, time_series = notification.alert, notification.language, notification.time_series
    if time_series is None or not time_series.points:
        return {"averaging": None, "mean": None, "flags": None}
    texts, spacing, until = texts_of("email", language), time_series.spacing, alert.end or time_series.points[-1].at
    mean, flag_codes = time_series.mean(alert.onset, until), time_series.flag_names(alert.onset, until)
    period = f"{format_time_of_day(alert.onset)}–{format_time_of_day(until)}"
    return {
        "averaging": _describe_averaging(spacing, language) if spacing else None,
        "mean": None if mean is None else f"{format_number(mean, language)} {unit_symbol(alert.unit)} ({period})",
        "flags": ", ".join(flag_text(code, language) for code in flag_codes) or texts["no_flags"],
    }


def _describe_averaging(spacing: float, language: Language) -> str:
    texts, seconds = texts_of("email", language), localize_decimal(f"{spacing:.2g}", language)
    return texts["each_second"] if seconds == "1" else texts["averaging"].format(seconds=seconds)


def _format_event_duration(alert: Alert, language: Language) -> str | None:
    return None if alert.end is None else format_duration((alert.end - alert.onset).total_seconds(), language)
