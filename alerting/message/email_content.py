"""What a person reads at three in the morning: subject, text and HTML, in the receiver's language. Pure."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError, select_autoescape
from msgspec import Struct, structs

from alerting.alert import Alert, Change
from alerting.decide.routing import Reason
from alerting.message.notification import Notification
from alerting.message.texts import CHANGES, MAIL, headline, lasting, opening, times, towards
from alerting.vocabulary import Language, clock, decimal, flag, name, number, reason, severity, short_clock, unit

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_SHOWN = 40  # alerts in the mail of a storm
_MARKED = {Reason.REMINDED, Reason.ESCALATED, Reason.EASED, Reason.NO_DATA}
PLOT = "piek@piekwacht"  # the Content-ID of the drawing


class Mail(Struct, frozen=True, kw_only=True):
    """One e-mail's contents; the subject is a single line. `broken`: what was wrong with a template, then no html."""

    subject: str
    text: str
    html: str | None
    broken: str | None = None


def mail(
    notification: Notification, *, public_url: str, plot: bool = False, templates: Environment = _TEMPLATES
) -> Mail:
    """The notification for people. Never fails: what a template cannot say is said without it.

    `plot`: a drawing goes with it, which the HTML shows as `cid:` PLOT.
    """
    words = _words(notification, public_url) | {"plot": PLOT if plot else None}
    subject = " ".join(str(words["subject"]).split())
    which = "storm" if _many(notification) else "quiet" if notification.alert.quiet else "mail"
    try:
        text, html = (templates.get_template(f"{which}.{kind}").render(words) for kind in ("txt", "html"))
    except TemplateError as error:
        w = MAIL[notification.language]
        lines = [subject, f"{w['data']}: {words['url']}", f"{w['answer']}: {words['acknowledge'] or '-'}"]
        text = "\n\n".join([*lines, f"({w['broken']}: {error})", ""])
        return Mail(subject=subject, text=text, html=None, broken=f"{which}: {error}")
    return Mail(subject=subject, text=text, html=html)


def _many(notification: Notification) -> bool:
    return bool(notification.gathered) or notification.reason is Reason.DIGEST


def _words(notification: Notification, public_url: str) -> dict[str, object]:
    if notification.reason is Reason.EASED:  # an update that does not say "rises"
        alert = structs.replace(notification.alert, change=Change.OPENED)
        notification = structs.replace(notification, alert=alert)
    alert, language, original = notification.alert, notification.language, notification.original
    home = public_url.rstrip("/") + ("" if language == "nl" else "/en")
    everything = sorted([alert, *notification.gathered], key=lambda one: (-one.severity.rank, one.onset))
    marked = MAIL[language][f"{notification.reason.value}_note"] if notification.reason in _MARKED else None
    return {
        **_facts(notification),
        **_all_of(everything, notification, f"{home}/events"),
        "w": MAIL[language],
        "language": language,
        "subject": _subject(everything, notification),
        "url": f"{home}/" if _many(notification) or alert.quiet else f"{home}/events/{alert.event_id}",
        "repeat": notification.repeat,
        "marked": marked,
        "acknowledge": notification.acknowledge,
        "original": clock(original.sent_at, language) if original else None,
        "worse": _worse(notification),
    }


def _subject(everything: Sequence[Alert], notification: Notification) -> str:
    alert, language, w = notification.alert, notification.language, MAIL[notification.language]
    if notification.reason is Reason.DIGEST:
        return w["digest"].format(len(everything))
    if notification.gathered:
        places = len({one.station for one in everything})
        where = w["one_place"] if places == 1 else w["places"].format(places)
        return w["storm"].format(count=len(everything), where=where, worst=headline(everything[0], language))
    return f"{w[notification.reason.value] if notification.reason in _MARKED else ''}{headline(alert, language)}"


def _all_of(everything: Sequence[Alert], notification: Notification, pages: str) -> dict[str, object]:
    """What a message about many lists."""
    language, w, count = notification.language, MAIL[notification.language], len(everything)
    return {
        "intro": w["digested"] if notification.reason is Reason.DIGEST else w["gathered"].format(count),
        "lines": [
            (headline(one, language), clock(one.onset, language), f"{pages}/{one.event_id}")
            for one in everything[:_SHOWN]
        ],
        "more": max(0, count - _SHOWN),
        "count": count,
    }


def _worse(notification: Notification) -> bool:
    """Whether it is over and was worse than the first message said."""
    alert, original = notification.alert, notification.original
    known = original.severity if original is not None else None
    return alert.change is Change.ENDED and known is not None and alert.severity.rank > known.rank


def _facts(notification: Notification) -> dict[str, object]:
    alert, language = notification.alert, notification.language
    reasons = ", ".join(reason(one, language) for one in alert.reasons)
    return {
        "alert": alert,
        "what": name(alert.observed_property, language),
        "unit": unit(alert.unit),
        "severity": severity(alert.severity, language),
        "change": CHANGES[language][alert.change],
        "opening": opening(alert, language),
        "near": [towards(site, language) for site in alert.sites],
        "times": times(alert, language),
        "since": clock(alert.onset, language),
        "at_peak": clock(alert.peak_at, language),
        "detected": clock(alert.detected_at, language),
        "until": clock(alert.end, language) if alert.end else None,
        "lasted": _lasted(alert, language),
        "peak": number(alert.peak, language),
        "background": number(alert.background, language),
        "excess": number(alert.excess, language),
        "sure": f"{alert.confidence * 100:.0f} %" + (f" ({reasons})" if reasons else ""),
        # of what was no peak there is nothing more to tell
        "sentence": None if alert.change is Change.VOIDED else alert.sentence.get(language),
        "voided": alert.change is Change.VOIDED,
        **_measured(notification),
    }


def _measured(notification: Notification) -> dict[str, object]:
    """What the curve tells: how far apart the values are, their mean so far, and the flags they carry."""
    alert, language, curve = notification.alert, notification.language, notification.curve
    if curve is None or not curve.points:
        return {"averaging": None, "mean": None, "flags": None}
    w, spacing, until = MAIL[language], curve.spacing, alert.end or curve.points[-1].at
    mean, found = curve.mean(alert.onset, until), curve.flags(alert.onset, until)
    return {
        "averaging": _averaging(spacing, language) if spacing else None,
        "mean": None
        if mean is None
        else f"{number(mean, language)} {unit(alert.unit)} ({short_clock(alert.onset)}–{short_clock(until)})",
        "flags": ", ".join(flag(one, language) for one in found) or w["no_flags"],
    }


def _averaging(spacing: float, language: Language) -> str:
    w, each = MAIL[language], decimal(f"{spacing:.2g}", language)
    return w["each_second"] if each == "1" else w["averaging"].format(each)


def _lasted(alert: Alert, language: Language) -> str | None:
    return None if alert.end is None else lasting((alert.end - alert.onset).total_seconds(), language)
