"""An e-mail's subject, text and HTML in the receiver's language, from the templates. Pure.

Called by the channels email, zaken and apprise. A template that fails does not raise: the text is then minimal.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, TemplateError
from msgspec import Struct, structs

from alerting.alert import Alert, Change, Severity
from alerting.decide.reason_detail import describe_detail
from alerting.decide.routing import DecisionReason
from alerting.message.notification import Notification
from alerting.message.plume import PlumeSummary, show_highest
from alerting.message.texts import (
    build_headline,
    build_opening,
    change_text,
    describe_neighbours,
    describe_ratio,
    describe_site,
    describe_value,
    describe_wind,
)
from alerting.templates import load_templates
from alerting.vocabulary import (
    ARBITRARY_UNITS,
    LOCAL_TIMEZONE,
    Language,
    averaging_text,
    flag_text,
    format_duration,
    format_local_time,
    format_number,
    format_peak,
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
_REASONS_WITH_NOTE = frozenset({
    DecisionReason.REMINDED, DecisionReason.ESCALATED, DecisionReason.EASED, DecisionReason.NO_DATA,
    DecisionReason.REOPENED, DecisionReason.CORRECTED, DecisionReason.REMAINING, DecisionReason.REINSTATED,
    DecisionReason.ZAAK,
})  # fmt: skip
_GOING_ON = frozenset(
    {DecisionReason.EASED, DecisionReason.REOPENED, DecisionReason.REINSTATED}
)  # their opening is not "rises"
_ACCENTS = {Severity.MINOR: "#c79a2b", Severity.MODERATE: "#d97228"}  # as on the pages; the others are red
_ALARM_ACCENT, _CALM_ACCENT = "#b3261e", "#4a6b57"
CHART_CONTENT_ID = "piek@piekwacht"  # the Content-ID of the drawing
MAP_CONTENT_ID = "omgeving@piekwacht"  # of the map


class EmailContent(Struct, frozen=True, kw_only=True):
    """One e-mail's contents; the subject is one line. `template_error`: a template's error, then `html` is None."""

    subject: str
    text: str
    html: str | None
    template_error: str | None = None


def render_email(
    notification: Notification,
    *,
    public_url: str,
    with_chart: bool = False,
    with_map: bool = False,
    templates: Environment = _TEMPLATES,
) -> EmailContent:
    """Render the notification for people. If a template fails, the text holds the subject and the links.

    `with_chart`, `with_map`: a drawing goes with the mail, which the HTML shows by its Content-ID.
    """
    values = _template_values(notification, public_url) | {
        "chart_cid": CHART_CONTENT_ID if with_chart else None,
        "map_cid": MAP_CONTENT_ID if with_map else None,
    }
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
    if notification.reason in _GOING_ON and notification.alert.firing:
        alert = structs.replace(notification.alert, change=Change.OPENED)
        notification = structs.replace(notification, alert=alert)
    alert, language, original = notification.alert, notification.language, notification.original
    pages_url = public_url.rstrip("/") + ("" if language == "nl" else "/en")
    alerts = sorted([alert, *notification.gathered], key=lambda entry: (-entry.severity.rank, entry.onset))
    return {
        **_alert_values(notification),
        **_plume_values(notification),
        **_summary_values(alerts, notification, f"{pages_url}/inspector"),
        "texts": texts_of("email", language),
        "language": language,
        "subject": _build_subject(alerts, notification),
        "url": f"{pages_url}/"
        if _is_summary(notification) or alert.is_about_network
        else f"{pages_url}{alert.page_path}",
        "repeat": notification.repeat,
        "inspector_url": f"{pages_url}/inspector"
        if _is_summary(notification)
        else f"{pages_url}/inspector{_find_inspector_path(alert)}",
        "advice": _find_advice(alert, language),
        "note": _find_note(notification),
        "acknowledge_url": notification.acknowledge_url,
        "also_told": ", ".join(notification.also_told),
        "original": _format_beside(original.sent_at, alert.onset, language) if original else None,
        "is_worse": _is_worse_than_original(notification),
        "health": notification.health,
    }


def _find_inspector_path(alert: Alert) -> str:
    """Return the page of inspectors below `/inspector`; an alert about the network has only one of its event."""
    return f"/events/{alert.event_id}" if alert.is_about_network else alert.page_path


def _find_advice(alert: Alert, language: Language) -> str | None:
    """Return what the receiver can do now; nothing once the peak is over."""
    return texts_of("email", language)["advice"] if alert.firing and not alert.is_about_network else None


def _find_note(notification: Notification) -> str | None:
    """Return why this is sent, for reasons that the texts below it do not show."""
    if notification.reason not in _REASONS_WITH_NOTE or notification.alert.change is Change.VOIDED:
        return None
    return texts_of("email", notification.language)[f"{notification.reason.value}_note"]


def _build_subject(alerts: Sequence[Alert], notification: Notification) -> str:
    alert, language, texts = notification.alert, notification.language, texts_of("email", notification.language)
    if notification.reason is DecisionReason.DIGEST:
        return texts["digest"].format(count=len(alerts))
    if notification.gathered:
        places = len({entry.station for entry in alerts})
        worst = build_headline(alerts[0], language)
        return texts["storm"].format(count=len(alerts), where=texts.plural("places", places), worst=worst)
    prefix = texts[notification.reason.value] if _find_note(notification) else ""
    return f"{prefix}{build_headline(show_highest(alert, _plume_of_many(notification)), language)}"


def _summary_values(alerts: Sequence[Alert], notification: Notification, pages_url: str) -> dict[str, object]:
    """The values of a mail about many alerts."""
    language, texts, count = notification.language, texts_of("email", notification.language), len(alerts)
    return {
        "intro": texts["digested"]
        if notification.reason is DecisionReason.DIGEST
        else texts["gathered"].format(count=count),
        "lines": [
            (
                _build_line(alert, notification),
                format_time(alert.onset, language),
                f"{pages_url}{_find_inspector_path(alert)}",
            )
            for alert in alerts[:_MAX_LISTED]
        ],
        "more_count": max(0, count - _MAX_LISTED),
        "count": count,
    }


def _build_line(alert: Alert, notification: Notification) -> str:
    """One alert of many in one line; in the digest with the mark that it was detected afterwards."""
    headline, texts = build_headline(alert, notification.language), texts_of("email", notification.language)
    return f"{headline} ({texts['late']})" if notification.reason is DecisionReason.DIGEST else headline


def _plume_of_many(notification: Notification) -> PlumeSummary | None:
    """Return the plume if it is over and had several events; of a single event the alert holds all figures."""
    plume = notification.plume
    return None if plume is None or plume.event_count < 2 or notification.alert.change is not Change.ENDED else plume


def _plume_values(notification: Notification) -> dict[str, object]:
    """The whole plume: its events, its length and its highest peak, which the title shows."""
    plume, alert, language = _plume_of_many(notification), notification.alert, notification.language
    highest = show_highest(alert, plume)
    titles: dict[str, object] = {
        "title_property": highest.name_property(language),
        "title_value": describe_value(highest, language),
        "title_averaging": averaging_text(highest.peak_averaging, language),
    }
    if plume is None:
        return titles | {"plume": None}
    texts = texts_of("email", language)
    return titles | {
        "plume": _describe_plume(plume, language),
        "plume_peak": texts["plume_peak"].format(
            property=highest.name_property(language),
            value=format_peak(highest.peak, highest.background, highest.unit, language),
            ratio=describe_ratio(highest, language),
            averaging=averaging_text(highest.peak_averaging, language),
            at=_format_beside(plume.peak_at, plume.first_onset, language),
        ),
    }


def _describe_plume(plume: PlumeSummary, language: Language) -> str:
    """Return how many events at how many stations, from when until when."""
    texts, end = texts_of("email", language), plume.last_end
    return texts["plume_events" if end else "plume_goes_on"].format(
        events=texts.plural("peak_count", plume.event_count),
        stations=texts.plural("station_count", plume.station_count),
        start=format_time(plume.first_onset, language),
        end=_format_beside(end, plume.first_onset, language) if end else "",
    )


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
        "accent": _ACCENTS.get(alert.severity, _ALARM_ACCENT) if alert.firing else _CALM_ACCENT,
        "sites": [describe_site(site, language) for site in alert.sites],
        "wind": describe_wind(alert.wind, language) if alert.wind else None,
        "neighbours": describe_neighbours(alert.neighbours, language, falls=alert.falls) if alert.neighbours else None,
        "onset": format_time(alert.onset, language),
        "peak_at": _format_beside(alert.peak_at, alert.onset, language),
        "detected_at": _format_beside(alert.detected_at, alert.onset, language),
        "end": _format_beside(alert.end, alert.onset, language) if alert.end else None,
        "duration": _format_event_duration(alert, language),
        "value": describe_value(alert, language),
        "has_scale": alert.unit not in ARBITRARY_UNITS,
        "peak_averaging": averaging_text(alert.peak_averaging, language),
        "background": format_number(alert.background, language),
        "excess": format_number(abs(alert.excess), language),
        "confidence": f"{alert.confidence * 100:.0f} %" + (f" ({reasons})" if reasons else ""),
        # the sentence describes a peak, and a voided event was none
        "sentence": None if alert.change is Change.VOIDED else alert.sentence.get(language),
        "voided": _describe_correction(notification) if alert.change is Change.VOIDED else None,
        **_time_series_values(notification),
    }


def _describe_correction(notification: Notification) -> str:
    """Return the sentence that it was no peak: by the inspector with the cause, or by later readings."""
    if notification.reason is DecisionReason.FALSE_ALARM:
        return describe_detail(notification.detail, notification.language)
    return texts_of("email", notification.language)["voided"]


def _format_beside(at: datetime, first: datetime, language: Language) -> str:
    """Local time below a time that has its offset: that is repeated only if it differs."""
    offsets = [moment.astimezone(LOCAL_TIMEZONE).utcoffset() for moment in (at, first)]
    return format_local_time(at, language) if offsets[0] == offsets[1] else format_time(at, language)


def _time_series_values(notification: Notification) -> dict[str, object]:
    """Spacing of the values around the peak, their mean so far, and their flags."""
    alert, language, time_series = notification.alert, notification.language, notification.time_series
    if time_series is None or not time_series.points:
        return {"averaging": None, "mean": None, "flags": None}
    texts, spacing, until = texts_of("email", language), time_series.spacing, alert.end or time_series.points[-1].at
    mean = time_series.mean(alert.onset, until, alert.averaging)
    flag_codes = time_series.flag_names(alert.onset, until)
    period = f"{format_time_of_day(alert.onset)}–{format_time_of_day(until)}"
    return {
        "averaging": _describe_averaging(spacing, language) if spacing else None,
        "mean": None if mean is None else f"{format_peak(mean, alert.background, alert.unit, language)} ({period})",
        "flags": ", ".join(flag_text(code, language) for code in flag_codes) or texts["no_flags"],
    }


def _describe_averaging(spacing: float, language: Language) -> str:
    texts, seconds = texts_of("email", language), localize_decimal(f"{spacing:.2g}", language)
    return texts["each_second"] if seconds == "1" else texts["averaging"].format(seconds=seconds)


def _format_event_duration(alert: Alert, language: Language) -> str | None:
    return None if alert.end is None else format_duration((alert.end - alert.onset).total_seconds(), language)
