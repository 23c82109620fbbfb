"""The chronology of a plume with names, and its deliveries by receiver and channel with their outcomes. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec import structs

from alerting.record.history import DeliveryStep, channel_name, outcome_text
from alerting.record.plume_cases import PlumeCase
from alerting.vocabulary import texts_of as alerting_texts_of
from gateway.api.inspector.plume_service import InspectedPlume
from gateway.api.pages.formats import Formats
from gateway.api.pages.plume_texts import ChronologyStep, build_chronology
from gateway.model.texts import texts_of


@dataclass(frozen=True, kw_only=True)
class DeliveryLine:
    """The newest attempt of one channel of one receiver. `addressees`: each with its outcome, if there are several."""

    receiver: str
    channel: str
    at: str
    outcome: str
    is_delivered: bool
    addressees: Sequence[str]


def list_deliveries(formats: Formats, case: PlumeCase | None) -> list[DeliveryLine]:
    """One line for each channel of each receiver, in the order in which they were first tried."""
    newest: dict[tuple[str, str], DeliveryStep] = {}
    for step in () if case is None else case.steps:
        if isinstance(step, DeliveryStep):
            newest[step.receiver, step.channel] = step
    return [_describe_delivery(formats, step) for step in newest.values()]


def _describe_delivery(formats: Formats, step: DeliveryStep) -> DeliveryLine:
    outcomes = [f"{entry.addressee}: {outcome_text(entry.outcome, formats.language)}" for entry in step.addressees]
    return DeliveryLine(
        receiver=step.receiver,
        channel=channel_name(step.channel),
        at=step.at.isoformat(),
        outcome=outcome_text(step.outcome, formats.language),
        is_delivered=step.outcome in {"delivered", "partial"},
        addressees=outcomes,
    )


def build_inspector_chronology(formats: Formats, inspected: InspectedPlume) -> list[ChronologyStep]:
    """The public chronology, and with names: who acknowledged, judged and noted what."""
    anonymous = structs.replace(inspected.plume, acknowledged_at=None, false_alarm=None)
    if inspected.plume.false_alarm is not None:
        anonymous = structs.replace(anonymous, state="ongoing")
    steps = [*build_chronology(formats, anonymous), *_list_answers(formats, inspected)]
    return sorted(steps, key=lambda step: datetime.fromisoformat(step.at))


def _list_answers(formats: Formats, inspected: InspectedPlume) -> Iterator[ChronologyStep]:
    texts, answers = texts_of("inspector", formats.language), inspected.answers
    causes = alerting_texts_of("false_alarm", formats.language)
    for acknowledgement in () if inspected.case is None else inspected.case.acknowledgements:
        text = texts["step_acknowledged"].format(author=acknowledgement.who)
        yield _build_step(acknowledgement.at, f"{text}: {acknowledgement.note}" if acknowledgement.note else text)
    for false_alarm in answers.false_alarms:
        cause = causes.describe(false_alarm.cause)
        text = texts["step_false_alarm"].format(author=false_alarm.author, cause=cause)
        yield _build_step(false_alarm.stated_at, f"{text}: {false_alarm.note}" if false_alarm.note else text)
        if false_alarm.withdrawn_at is not None:
            text = texts["step_withdrawn"].format(author=false_alarm.withdrawn_by)
            yield _build_step(false_alarm.withdrawn_at, text)
    for source in answers.sources:
        text = texts["step_known_source"].format(author=source.author, name=source.name, basis=source.legal_basis)
        yield _build_step(source.stated_at, text)
        if source.ended_at is not None:
            yield _build_step(source.ended_at, texts["step_source_ended"].format(name=source.name))
    for note in answers.notes:
        yield _build_step(note.written_at, texts["step_noted"].format(author=note.author, text=note.text))


def _build_step(at: datetime, text: str) -> ChronologyStep:
    return ChronologyStep(at=at.isoformat(), text=text)
