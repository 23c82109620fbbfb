"""The steps of an alert in order, as sentences: revisions, decisions, deliveries and acknowledgements. Pure."""

from datetime import datetime

from msgspec import Struct

from alerting.alert import Change, Severity
from alerting.catalogue import Texts
from alerting.decide.reason_detail import describe_detail
from alerting.message.texts import change_text
from alerting.vocabulary import Language, severity_text, texts_of


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
    """Whether a receiver is notified, and why; `rules` is the hash of the policy that decided."""

    revision: int
    receiver: str
    told: bool
    reason: str
    detail: str
    rules: str


class AddresseeStep(Struct, frozen=True, kw_only=True):
    """The outcome of an attempt for one addressee; `detail` is the answer of the other side or a stored detail."""

    addressee: str
    outcome: str
    detail: str


class DeliveryStep(Step, frozen=True, kw_only=True, tag="tried"):
    """One attempt to deliver, with the hash of exactly what was sent and the outcome per addressee."""

    revision: int
    receiver: str
    channel: str
    attempt: int
    outcome: str
    detail: str
    rules: str
    bytes: int
    sha256: str
    addressees: tuple[AddresseeStep, ...] = ()


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
    """An acknowledgement; `via` is the way by which it came."""

    who: str
    note: str
    via: str


AnyStep = RevisionStep | DecisionStep | DeliveryStep | GatheredStep | SkippedStep | AcknowledgementStep


def decision_reason_text(reason: str, language: Language) -> str:
    """Return the text of a decision's reason."""
    return texts_of("decision", language).describe(reason)


def describe_step(step: AnyStep, language: Language) -> str:
    """The step in one sentence, without its time and its particulars."""
    step_texts = texts_of("step", language)
    match step:
        case RevisionStep():
            change, severity_label = change_text(step.change, language), severity_text(step.severity, language)
            return step_texts["seen"].format(change=change, severity=severity_label, confidence=step.confidence * 100)
        case DecisionStep():
            receiver = step.receiver or step_texts["nobody"]
            return step_texts["told" if step.told else "not_told"].format(
                receiver=receiver, why=decision_reason_text(step.reason, language)
            )
        case DeliveryStep():
            attempt_suffix = step_texts["again"].format(attempt=step.attempt) if step.attempt > 1 else ""
            outcome = outcome_text(step.outcome, language)
            return (
                step_texts["tried"].format(channel=channel_name(step.channel), receiver=step.receiver, outcome=outcome)
                + attempt_suffix
                + _describe_addressees(step, language)
            )
        case GatheredStep() | SkippedStep():
            key = "gathered" if isinstance(step, GatheredStep) else "spared"
            return step_texts[key].format(channel=channel_name(step.channel), receiver=step.receiver)
        case AcknowledgementStep():
            text = step_texts["answered"].format(who=step.who, via=texts_of("via", language).describe(step.via))
            return f"{text}: {step.note}" if step.note else text


def describe_step_details(step: AnyStep, language: Language) -> str:
    """Return the details of a step for the record: codes, hashes, names, answers of servers."""
    step_texts = texts_of("step", language)
    match step:
        case RevisionStep():
            return step_texts["revision"].format(revision=step.revision)
        case DecisionStep():
            return _join_nonempty(
                describe_detail(step.detail, language), step.reason, *_revision_and_policy(step, step_texts)
            )
        case DeliveryStep():
            content_summary = f"{step.bytes} bytes, sha256 {step.sha256}"
            return _join_nonempty(
                _describe_answers(step, language),
                step.channel,
                *_revision_and_policy(step, step_texts),
                content_summary,
            )
        case GatheredStep():
            return _join_nonempty(
                step.channel,
                step_texts["revision"].format(revision=step.revision),
                step_texts["message"].format(notification=step.message),
            )
        case SkippedStep():
            return _join_nonempty(step.channel, step_texts["revision"].format(revision=step.revision))
        case AcknowledgementStep():
            return step.via


def outcome_text(code: str, language: Language) -> str:
    """Return the text of a delivery's outcome."""
    return texts_of("outcome", language).describe(code)


def answer_text(detail: str, language: Language) -> str:
    """Return what the other side answered, or why there was no answer."""
    return describe_detail(detail, language)


def _describe_addressees(step: DeliveryStep, language: Language) -> str:
    """Return who got it and who did not; empty for one addressee, whose outcome is that of the attempt."""
    if len(step.addressees) < 2:
        return ""
    outcomes = (f"{entry.addressee} {outcome_text(entry.outcome, language)}" for entry in step.addressees)
    return f" ({'; '.join(outcomes)})"


def _describe_answers(step: DeliveryStep, language: Language) -> str:
    """Return the answer of the other side; per addressee if there are several."""
    if not step.addressees:
        return answer_text(step.detail, language)
    return "; ".join(f"{entry.addressee}: {answer_text(entry.detail, language)}" for entry in step.addressees)


def _revision_and_policy(step: DecisionStep | DeliveryStep, step_texts: Texts) -> tuple[str, str]:
    return step_texts["revision"].format(revision=step.revision), step_texts["rules"].format(rules=step.rules)


def channel_name(name: str) -> str:
    """A channel as people call it: `email:0` -> e-mail."""
    kind, _, number = name.partition(":")
    label = texts_of("channel", "nl").get(kind) or kind
    return label if number in {"", "0"} else f"{label} {int(number) + 1}"


def _join_nonempty(*parts: str) -> str:
    return ", ".join(part for part in parts if part)
