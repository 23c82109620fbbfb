"""The state of a plume for inspectors, and the sentence on its page after a button. Pure."""

from datetime import datetime
from enum import StrEnum

from gateway.api.inspector.plume_service import InspectedPlume
from gateway.api.pages.formats import Formats
from gateway.model.texts import texts_of


class AnswerState(StrEnum):
    """The first thing that an inspector has to know: somebody answered, or nobody; or it is over."""

    NEW = "new"
    ACKNOWLEDGED = "acknowledged"
    FALSE_ALARM = "false_alarm"
    KNOWN_SOURCE = "known_source"
    OVER = "over"
    VOIDED = "voided"  # by the detector


def find_state(inspected: InspectedPlume) -> AnswerState:
    """The state: what inspectors judged comes first, then whether it goes on and somebody acknowledged it."""
    plume, answers = inspected.plume, inspected.answers
    if answers.false_alarm is not None:
        return AnswerState.FALSE_ALARM
    if plume.state == "voided":
        return AnswerState.VOIDED
    if any(source.ended_at is None for source in answers.sources):
        return AnswerState.KNOWN_SOURCE
    if plume.state != "ongoing":
        return AnswerState.OVER
    return AnswerState.NEW if plume.acknowledged_at is None else AnswerState.ACKNOWLEDGED


def describe_state(formats: Formats, inspected: InspectedPlume) -> str:
    """The state with the name of the inspector and the time, in one sentence."""
    texts, state, answers = texts_of("inspector", formats.language), find_state(inspected), inspected.answers
    author, at = "", None
    if state is AnswerState.FALSE_ALARM and answers.false_alarm is not None:
        author, at = answers.false_alarm.author, answers.false_alarm.stated_at
    elif state is AnswerState.KNOWN_SOURCE:
        source = next(source for source in answers.sources if source.ended_at is None)
        author, at = source.author, source.stated_at
    elif inspected.case is not None and inspected.case.acknowledgements:
        first = inspected.case.acknowledgements[0]
        author, at = first.who, first.at
    if at is None:
        return texts[f"state_{state.value}"]
    who = texts["state_by"].format(author=author, at=_clock(formats, at))
    return (
        f"{texts[f'state_{state.value}']}. {who}"
        if state is AnswerState.OVER
        else f"{texts[f'state_{state.value}']}: {who}"
    )


def describe_notice(formats: Formats, inspected: InspectedPlume, notice: str) -> str:
    """One sentence about what a button did, or who was first; empty for anything else."""
    texts, answers = texts_of("inspector", formats.language), inspected.answers
    template = texts.get(f"notice_{notice.replace('-', '_')}")
    if template is None or not notice:
        return ""
    author, at = "", None
    if notice == "acknowledged-before" and inspected.case is not None and inspected.case.acknowledgements:
        first = inspected.case.acknowledgements[0]
        author, at = first.who, first.at
    elif notice == "false-alarm-before" and answers.false_alarm is not None:
        author, at = answers.false_alarm.author, answers.false_alarm.stated_at
    elif notice == "known-source-before" and answers.sources:
        author, at = answers.sources[-1].author, answers.sources[-1].stated_at
    if notice.endswith("-before") and notice != "zaak-before" and at is None:
        return ""
    return template.format(author=author, at="" if at is None else _clock(formats, at))


def _clock(formats: Formats, at: datetime) -> str:
    return formats.short_date_time(at.isoformat())
