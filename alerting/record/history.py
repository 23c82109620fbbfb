"""What happened to an alert, step by step, in words: what was seen, decided, sent and answered. Pure."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from msgspec import Struct

from alerting.alert import Change, Severity
from alerting.decide.reason_detail import describe_detail
from alerting.message.texts import CHANGE_TEXTS
from alerting.vocabulary import Language, Translations, severity_text, translate


class Step(Struct, frozen=True, kw_only=True, tag_field="step"):
    """One thing that happened, in the order it happened."""

    at: datetime


class RevisionStep(Step, frozen=True, kw_only=True, tag="seen"):
    """A revision of the event came in."""

    revision: int
    change: Change
    severity: Severity
    confidence: float


class DecisionStep(Step, frozen=True, kw_only=True, tag="decided"):
    """Whether a receiver is told of it, and why; `rules` is the hash of the rules that decided."""

    revision: int
    receiver: str
    told: bool
    reason: str
    detail: str
    rules: str


class DeliveryStep(Step, frozen=True, kw_only=True, tag="tried"):
    """One attempt to deliver, with the hash of exactly what was sent."""

    revision: int
    receiver: str
    channel: str
    attempt: int
    outcome: str
    detail: str
    rules: str
    bytes: int
    sha256: str


class GatheredStep(Step, frozen=True, kw_only=True, tag="gathered"):
    """Sent within another message, because many came at once."""

    revision: int
    receiver: str
    channel: str
    message: str


class SkippedStep(Step, frozen=True, kw_only=True, tag="spared"):
    """Not sent by this channel, because another of the receiver's order had delivered."""

    revision: int
    receiver: str
    channel: str


class AcknowledgementStep(Step, frozen=True, kw_only=True, tag="answered"):
    """Somebody is on it; `via` says how they said so."""

    who: str
    note: str
    via: str


AnyStep = RevisionStep | DecisionStep | DeliveryStep | GatheredStep | SkippedStep | AcknowledgementStep

_REASON_TEXTS: Translations = {
    "routed": ("een regel leidt naar deze ontvanger", "a route leads there"),
    "no_route": ("geen enkele regel past", "no route fits"),
    "not_sure_enough": ("de zekerheid is lager dan de regel vraagt", "less sure than the route asks for"),
    "detected_late": ("achteraf gevonden; komt in het dagoverzicht", "found afterwards; goes into the day's digest"),
    "not_worse": ("is al ingelicht, en het werd niet erger", "was told already, and it did not get worse"),
    "same_plume": ("is al ingelicht over dezelfde pluim", "was told of the same plume already"),
    "calm_awaited": ("het einde volgt als alles een poos rustig is", "the end follows once all has been calm a while"),
    "calm": ("alles is een poos rustig: voorbij", "all has been calm for a while: over"),
    "eased": ("al een poos minder ernstig dan gemeld", "less severe than was told, for a while"),
    "no_data": ("het station zwijgt terwijl de piek bezig was", "the station fell silent while the peak went on"),
    "digest": ("in het dagoverzicht", "in the day's digest"),
    "never_told": ("was hierover niet ingelicht, dus ook niet over het einde", "was not told of it, so not of its end"),
    "silenced": ("iemand heeft gevraagd dit te dempen", "somebody asked for silence"),
    "maintenance": ("er is onderhoud", "there is maintenance"),
    "known_source": ("een bekende, vergunde bron verklaart dit", "a known source with a permit explains it"),
    "reminded": ("herinnering: nog niemand heeft geantwoord", "reminder: nobody has answered"),
    "escalated": ("wie het eerst is ingelicht heeft niet geantwoord", "those who were told first did not answer"),
    "unreadable": ("door een andere versie geschreven, niet te lezen", "written by another version, unreadable"),
}
_OUTCOME_TEXTS: Translations = {
    "delivered": ("bezorgd", "delivered"),
    "refused": ("geweigerd", "refused"),
    "failed": ("mislukt, wordt opnieuw geprobeerd", "failed, is tried again"),
    "gone": ("het adres bestaat niet meer", "the address is gone"),
    "unknown": ("onbekend of het aankwam", "not known whether it arrived"),
}
_VIA_TEXTS: Translations = {
    "command": ("op de opdrachtregel", "on the command line"),
    "link": ("via de link in het bericht", "by the link in the message"),
    "account": ("ingelogd", "signed in"),
}
_STEP_TEXTS: Mapping[Language, Mapping[str, str]] = MappingProxyType({
    "nl": {
        "seen": "{change}, {severity}, zekerheid {confidence:.0f} %",
        "told": "{receiver} wordt ingelicht: {why}",
        "not_told": "{receiver} wordt niet ingelicht: {why}",
        "nobody": "niemand",
        "tried": "{channel} naar {receiver}: {outcome}",
        "again": " (poging {attempt})",
        "gathered": "{channel} naar {receiver}: samen met andere meldingen in één bericht",
        "spared": "{channel} naar {receiver}: niet nodig, een ander kanaal heeft bezorgd",
        "answered": "{who} is ermee bezig ({via})",
        "revision": "herziening {}",
        "rules": "regels {}",
        "message": "bericht {}",
    },
    "en": {
        "seen": "{change}, {severity}, confidence {confidence:.0f} %",
        "told": "{receiver} is told: {why}",
        "not_told": "{receiver} is not told: {why}",
        "nobody": "nobody",
        "tried": "{channel} to {receiver}: {outcome}",
        "again": " (attempt {attempt})",
        "gathered": "{channel} to {receiver}: gathered with others into one message",
        "spared": "{channel} to {receiver}: not needed, another channel delivered",
        "answered": "{who} is on it ({via})",
        "revision": "revision {}",
        "rules": "rules {}",
        "message": "message {}",
    },
})  # fmt: skip


def decision_reason_text(reason: str, language: Language) -> str:
    """One of the stages' reasons in plain words."""
    return translate(_REASON_TEXTS, reason, language)


def describe_step(step: AnyStep, language: Language) -> str:
    """The step in one sentence, without its time and its particulars."""
    texts = _STEP_TEXTS[language]
    match step:
        case RevisionStep():
            change, severity_label = CHANGE_TEXTS[language][step.change], severity_text(step.severity, language)
            return texts["seen"].format(change=change, severity=severity_label, confidence=step.confidence * 100)
        case DecisionStep():
            receiver = step.receiver or texts["nobody"]
            return texts["told" if step.told else "not_told"].format(
                receiver=receiver, why=decision_reason_text(step.reason, language)
            )
        case DeliveryStep():
            attempt_suffix = texts["again"].format(attempt=step.attempt) if step.attempt > 1 else ""
            outcome = translate(_OUTCOME_TEXTS, step.outcome, language)
            return (
                texts["tried"].format(channel=channel_name(step.channel), receiver=step.receiver, outcome=outcome)
                + attempt_suffix
            )
        case GatheredStep() | SkippedStep():
            key = "gathered" if isinstance(step, GatheredStep) else "spared"
            return texts[key].format(channel=channel_name(step.channel), receiver=step.receiver)
        case AcknowledgementStep():
            text = texts["answered"].format(who=step.who, via=translate(_VIA_TEXTS, step.via, language))
            return f"{text}: {step.note}" if step.note else text


def describe_step_details(step: AnyStep, language: Language) -> str:
    """What a record needs beside the sentence: codes, hashes, what a rule named or a server said."""
    texts = _STEP_TEXTS[language]
    match step:
        case RevisionStep():
            return texts["revision"].format(step.revision)
        case DecisionStep():
            return _join_nonempty(
                describe_detail(step.detail, language), step.reason, *_revision_and_policy(step, texts)
            )
        case DeliveryStep():
            content_summary = f"{step.bytes} bytes, sha256 {step.sha256}"
            return _join_nonempty(
                describe_detail(step.detail, language),
                step.channel,
                *_revision_and_policy(step, texts),
                content_summary,
            )
        case GatheredStep():
            return _join_nonempty(
                step.channel, texts["revision"].format(step.revision), texts["message"].format(step.message)
            )
        case SkippedStep():
            return _join_nonempty(step.channel, texts["revision"].format(step.revision))
        case AcknowledgementStep():
            return step.via


def _revision_and_policy(step: DecisionStep | DeliveryStep, texts: Mapping[str, str]) -> tuple[str, str]:
    return texts["revision"].format(step.revision), texts["rules"].format(step.rules)


def channel_name(name: str) -> str:
    """A channel as people call it: `email:0` -> e-mail."""
    kind, _, number = name.partition(":")
    label = {"email": "e-mail", "mqtt": "MQTT", "cap": "CAP", "zaken": "Zaken API"}.get(kind, kind)
    return label if number in {"", "0"} else f"{label} {int(number) + 1}"


def _join_nonempty(*parts: str) -> str:
    return ", ".join(part for part in parts if part)
