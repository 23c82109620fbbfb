"""The texts of notices to residents, in Dutch and English: the mail, and the short form for a phone's screen. Pure.

The same notice has the same text for everybody who gets it, so that its hash identifies the text. The links of one
contact, to manage and to stop, come below it.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from msgspec import Struct, structs

from alerting.alert import Alert, Change
from alerting.message.texts import build_headline, describe_neighbours, describe_ratio, describe_wind
from alerting.subscriptions.decision import NoticeReason, PlumeAlerts
from alerting.subscriptions.settings import SubscriptionSettings
from alerting.templates import load_templates
from alerting.vocabulary import (
    Language,
    averaging_text,
    format_duration,
    format_number,
    format_time,
    severity_text,
    texts_of,
    unit_symbol,
)

_TEMPLATES = load_templates(Path(__file__).with_name("templates"))
_PAST = frozenset({NoticeReason.ENDED, NoticeReason.LATE})


class NoticeText(Struct, frozen=True, kw_only=True):
    """One notice in one language. `title` and `summary` fit on a phone's screen; `url` is the page about it.

    `private`: the part below the body for one contact; it is never stored.
    """

    subject: str
    body: str
    title: str
    summary: str
    url: str
    private: str = ""


class NoticeFacts(Struct, frozen=True, kw_only=True):
    """The facts of a notice about a plume. `alert` leads; `receivers`: the inspectorates that were notified.

    `false_alarm_cause`: of a plume that an inspector judged a false alarm; else empty.
    """

    reason: NoticeReason
    alert: Alert
    plume: PlumeAlerts
    receivers: tuple[str, ...] = ()
    false_alarm_cause: str = ""


class NoticeWriter:
    """Writes notices with the operator's settings."""

    def __init__(self, settings: SubscriptionSettings, public_url: str) -> None:
        self._settings, self._public_url = settings, public_url.rstrip("/")

    def write_notice(self, facts: NoticeFacts, language: Language) -> NoticeText:
        """Return the text about one plume."""
        texts = texts_of("subscription", language)
        headline = _build_headline(facts, language)
        values = {
            "texts": texts,
            "headline": headline,
            "note": self._find_note(facts, language),
            "url": self._build_url(facts, language),
            "health": "" if _is_voided(facts) else self._find_health_line(facts, language),
            "complaint": self._describe_complaint(language),
            **_plume_values(facts, language),
        }
        return NoticeText(
            subject=headline,
            body=_TEMPLATES.get_template("notice.txt").render(values),
            title=_build_title(facts, language),
            summary=_build_summary(facts, language),
            url=self._build_url(facts, language),
        )

    def write_summary(self, notices: Sequence[NoticeFacts], language: Language) -> NoticeText:
        """Return one text about the plumes that were held."""
        texts = texts_of("subscription", language)
        headline = texts.plural("held", len(notices))
        lines = [{"text": _build_line(facts, language), "url": self._build_url(facts, language)} for facts in notices]
        complaint = self._describe_complaint(language)
        values = {"texts": texts, "headline": headline, "lines": lines, "complaint": complaint}
        return NoticeText(
            subject=headline,
            body=_TEMPLATES.get_template("summary.txt").render(values),
            title=headline,
            summary="\n".join(str(line["text"]) for line in lines[:3]),
            url=f"{self._public_url}/{language}/events",
        )

    def write_confirmation(self, place: str, level: str, url: str, language: Language) -> NoticeText:
        """Return the mail that asks to confirm a subscription; place and link belong to the contact."""
        texts, subject = texts_of("subscription", language), texts_of("subscription", language)["confirm_subject"]
        values = {"texts": texts, "place": place, "level": severity_text(level, language), "url": url}
        body = texts["confirm_asked"] + "\n\n" + texts["confirm_ignore"] + "\n"
        private = _TEMPLATES.get_template("confirm.txt").render(values)
        return NoticeText(subject=subject, body=body, title=subject, summary=subject, url=url, private=private)

    def write_welcome(self, language: Language) -> NoticeText:
        """Return the first notice of a browser, which shows that notices arrive."""
        texts = texts_of("subscription", language)
        return NoticeText(
            subject=texts["welcome_title"],
            body=texts["welcome_text"],
            title=texts["welcome_title"],
            summary=texts["welcome_text"],
            url=f"{self._public_url}/{language}/",
        )

    def _build_url(self, facts: NoticeFacts, language: Language) -> str:
        return f"{self._public_url}/{language}/plumes/{facts.plume.id}"

    def _find_note(self, facts: NoticeFacts, language: Language) -> str:
        key = "corrected_part_note" if _is_corrected_in_part(facts) else f"{facts.reason.value}_note"
        note = texts_of("subscription", language).get(key) or ""
        if facts.reason is not NoticeReason.CORRECTED or not facts.false_alarm_cause:
            return note
        cause = texts_of("false_alarm", language).describe(facts.false_alarm_cause)
        return f"{note} {texts_of('subscription', language)['false_alarm_note'].format(cause=cause)}"

    def _find_health_line(self, facts: NoticeFacts, language: Language) -> str:
        """Return the advice during a peak: the operator's, else our own; none after it."""
        if facts.reason in _PAST:
            return ""
        severity, texts = facts.alert.severity, texts_of("subscription", language)
        return self._settings.health_line(severity, language) or texts[f"health_{severity.value}"]

    def _describe_complaint(self, language: Language) -> str:
        settings = self._settings
        if not settings.complaint_url:
            return ""
        texts = texts_of("subscription", language)
        name = settings.complaint_name or texts["authority"]
        return texts["complaint"].format(name=name, url=settings.complaint_url)


def write_footer(manage_url: str, stop_url: str, language: Language) -> str:
    """Return the links that belong to the contact, for below the text of a mail."""
    values = {"texts": texts_of("subscription", language), "manage_url": manage_url, "stop_url": stop_url}
    return _TEMPLATES.get_template("footer.txt").render(values)


def _is_voided(facts: NoticeFacts) -> bool:
    return not facts.plume.counted


def _is_corrected_in_part(facts: NoticeFacts) -> bool:
    """Whether the event that was notified was none, and another event of the plume stands."""
    return facts.reason is NoticeReason.CORRECTED and bool(facts.plume.counted)


def _show_change(facts: NoticeFacts) -> Alert:
    """Return the alert as the headline opens: a first notice opens with `Peak`, also if the event rose since."""
    if _is_voided(facts):
        return structs.replace(facts.alert, change=Change.VOIDED)
    if facts.plume.is_over:
        return structs.replace(facts.alert, change=Change.ENDED)
    change = Change.UPDATED if facts.reason is NoticeReason.WORSE else Change.OPENED
    return structs.replace(facts.alert, change=change)


def _build_headline(facts: NoticeFacts, language: Language) -> str:
    return " ".join(build_headline(_show_change(facts), language).split())


def _build_title(facts: NoticeFacts, language: Language) -> str:
    alert, texts = facts.alert, texts_of("subscription", language)
    key = "title_voided" if _is_voided(facts) else "title_over" if facts.plume.is_over else "title"
    return texts[key].format(
        property=alert.name_property(language), place=alert.place.name, severity=severity_text(alert.severity, language)
    )


def _build_summary(facts: NoticeFacts, language: Language) -> str:
    """Return value, start and confidence, with what the figure is."""
    alert, texts = facts.alert, texts_of("subscription", language)
    if _is_voided(facts):
        return texts["corrected_note"]
    return texts["short"].format(
        value=_describe_peak(alert, language), since=format_time(_find_onset(facts), language),
        sure=f"{alert.confidence * 100:.0f} %",
    )  # fmt: skip


def _build_line(facts: NoticeFacts, language: Language) -> str:
    """Return one plume of several in one line."""
    texts, onset, end = texts_of("subscription", language), _find_onset(facts), _find_end(facts)
    if _is_voided(facts):
        return _build_headline(facts, language)
    key = "line_goes_on" if end is None else "line"
    return texts[key].format(
        headline=_build_headline(facts, language),
        severity=severity_text(facts.alert.severity, language),
        since=format_time(onset, language),
        duration="" if end is None else format_duration((end - onset).total_seconds(), language),
    )


def _plume_values(facts: NoticeFacts, language: Language) -> dict[str, object]:
    alert, end, texts = facts.alert, _find_end(facts), texts_of("subscription", language)
    others = len({event.station for event in facts.plume.counted} - {alert.station})
    where = alert.place.name + (f" {texts.plural('other_stations', others)}" if others else "")
    since = format_time(_find_onset(facts), language)
    neighbours = describe_neighbours(alert.neighbours, language, falls=alert.falls) if alert.neighbours else ""
    return {
        "where": where,
        "since": since,
        "until": None if end is None else _describe_end(end, _find_onset(facts), language),
        "peak": _describe_peak(alert, language),
        "severity": severity_text(alert.severity, language),
        "confidence": f"{alert.confidence * 100:.0f} %",
        "neighbours": neighbours,
        "wind": describe_wind(alert.wind, language) if alert.wind else "",
        "receivers": ", ".join(facts.receivers),
        "voided": _is_voided(facts),
    }


def _describe_peak(alert: Alert, language: Language) -> str:
    value = f"{format_number(alert.peak, language)} {unit_symbol(alert.unit)}{describe_ratio(alert, language)}"
    return f"{value}, {averaging_text(alert.peak_averaging, language)}"


def _describe_end(end: datetime, onset: datetime, language: Language) -> str:
    return f"{format_time(end, language)} ({format_duration((end - onset).total_seconds(), language)})"


def _find_onset(facts: NoticeFacts) -> datetime:
    return min(alert.onset for alert in facts.plume.counted or (facts.alert,))


def _find_end(facts: NoticeFacts) -> datetime | None:
    """Return the last end of the plume; None while it goes on, or if there was none."""
    if not facts.plume.is_over or _is_voided(facts):
        return None
    return max(alert.end or alert.detected_at for alert in facts.plume.counted)
