"""What happened to an alert, step by step, in words: what was seen, decided, sent and answered. Pure."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from msgspec import Struct

from alerting.alert import Change, Severity
from alerting.decide.reason_detail import worded
from alerting.message.texts import CHANGES
from alerting.vocabulary import Language, Words, severity, word


class Step(Struct, frozen=True, kw_only=True, tag_field="step"):
    """One thing that happened, in the order it happened."""

    at: datetime


class Seen(Step, frozen=True, kw_only=True, tag="seen"):
    """A revision of the event came in."""

    revision: int
    change: Change
    severity: Severity
    confidence: float


class Decided(Step, frozen=True, kw_only=True, tag="decided"):
    """Whether a receiver is told of it, and why; `rules` is the hash of the rules that decided."""

    revision: int
    receiver: str
    told: bool
    reason: str
    detail: str
    rules: str


class Tried(Step, frozen=True, kw_only=True, tag="tried"):
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


class Gathered(Step, frozen=True, kw_only=True, tag="gathered"):
    """Sent within another message, because many came at once."""

    revision: int
    receiver: str
    channel: str
    message: str


class Spared(Step, frozen=True, kw_only=True, tag="spared"):
    """Not sent by this channel, because another of the receiver's order had delivered."""

    revision: int
    receiver: str
    channel: str


class Answered(Step, frozen=True, kw_only=True, tag="answered"):
    """Somebody is on it; `via` says how they said so."""

    who: str
    note: str
    via: str


AnyStep = Seen | Decided | Tried | Gathered | Spared | Answered

_WHY: Words = {
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
_OUTCOMES: Words = {
    "delivered": ("bezorgd", "delivered"),
    "refused": ("geweigerd", "refused"),
    "failed": ("mislukt, wordt opnieuw geprobeerd", "failed, is tried again"),
    "gone": ("het adres bestaat niet meer", "the address is gone"),
    "unknown": ("onbekend of het aankwam", "not known whether it arrived"),
}
_VIA: Words = {
    "command": ("op de opdrachtregel", "on the command line"),
    "link": ("via de link in het bericht", "by the link in the message"),
    "account": ("ingelogd", "signed in"),
}
_SAY: Mapping[Language, Mapping[str, str]] = MappingProxyType({
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


def why(reason: str, language: Language) -> str:
    """One of the stages' reasons in plain words."""
    return word(_WHY, reason, language)


def said(step: AnyStep, language: Language) -> str:
    """The step in one sentence, without its time and its particulars."""
    say = _SAY[language]
    match step:
        case Seen():
            change, how = CHANGES[language][step.change], severity(step.severity, language)
            return say["seen"].format(change=change, severity=how, confidence=step.confidence * 100)
        case Decided():
            receiver = step.receiver or say["nobody"]
            return say["told" if step.told else "not_told"].format(receiver=receiver, why=why(step.reason, language))
        case Tried():
            again = say["again"].format(attempt=step.attempt) if step.attempt > 1 else ""
            outcome = word(_OUTCOMES, step.outcome, language)
            return say["tried"].format(channel=channel(step.channel), receiver=step.receiver, outcome=outcome) + again
        case Gathered() | Spared():
            which = "gathered" if isinstance(step, Gathered) else "spared"
            return say[which].format(channel=channel(step.channel), receiver=step.receiver)
        case Answered():
            text = say["answered"].format(who=step.who, via=word(_VIA, step.via, language))
            return f"{text}: {step.note}" if step.note else text


def particulars(step: AnyStep, language: Language) -> str:
    """What a record needs beside the sentence: codes, hashes, what a rule named or a server said."""
    say = _SAY[language]
    match step:
        case Seen():
            return say["revision"].format(step.revision)
        case Decided():
            return _joined(worded(step.detail, language), step.reason, *_by(step, say))
        case Tried():
            sent = f"{step.bytes} bytes, sha256 {step.sha256}"
            return _joined(worded(step.detail, language), step.channel, *_by(step, say), sent)
        case Gathered():
            return _joined(step.channel, say["revision"].format(step.revision), say["message"].format(step.message))
        case Spared():
            return _joined(step.channel, say["revision"].format(step.revision))
        case Answered():
            return step.via


def _by(step: Decided | Tried, say: Mapping[str, str]) -> tuple[str, str]:
    return say["revision"].format(step.revision), say["rules"].format(step.rules)


def channel(name: str) -> str:
    """A channel as people call it: `email:0` -> e-mail."""
    kind, _, number = name.partition(":")
    word = {"email": "e-mail", "mqtt": "MQTT", "cap": "CAP", "zaken": "Zaken API"}.get(kind, kind)
    return word if number in {"", "0"} else f"{word} {int(number) + 1}"


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)
