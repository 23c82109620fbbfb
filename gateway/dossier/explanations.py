"""Other explanations of an event that the data can speak about, each with what they show. Pure.

Nothing is concluded here: a reader weighs them. Facts that Piekwacht does not store are named as such.
"""

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from alerting.decide.reason_detail import describe_detail
from alerting.decide.routing import DecisionReason
from alerting.record.history import DecisionStep
from alerting.vocabulary import flag_text
from edge_agent.wire import Flag
from gateway.api.pages.event_texts import describe_neighbours
from gateway.api.pages.formats import Formats
from gateway.dossier.contents import Chapter, Contents, DetectedEvent
from gateway.model.texts import texts_of


class OtherExplanation(Struct, frozen=True, kw_only=True):
    """An explanation by name, with sentences of what the data show."""

    name: str
    sentences: list[str]


def list_explanations(
    contents: Contents, chapter: Chapter, event: DetectedEvent, formats: Formats
) -> list[OtherExplanation]:
    """Return every explanation, also those for which there is no sign."""
    texts = texts_of("dossier", formats.language)
    checks = (
        ("by_neighbours", _check_neighbours(event, formats), "neighbours_unknown"),
        ("by_humidity", _check_humidity(contents, event, formats), "humidity_unknown"),
        ("by_region", _check_region(contents, event, formats), "region_none"),
        ("by_station", _check_station(contents, event, formats), "station_none"),
        ("by_permit", _check_permits(event, formats), "permit_none"),
        ("by_maintenance", _check_maintenance(contents, chapter, formats), "maintenance_none"),
    )
    return [
        OtherExplanation(name=texts[name], sentences=list(sentences) or [texts[otherwise]])
        for name, sentences, otherwise in checks
    ]


def _check_neighbours(event: DetectedEvent, formats: Formats) -> Iterator[str]:
    text = describe_neighbours(formats, event.document)
    if text:
        yield f"{text[0].upper()}{text[1:]}."


def _check_humidity(contents: Contents, event: DetectedEvent, formats: Formats) -> Iterator[str]:
    if contents.humidity is None:
        return
    minutes = contents.humidity.minutes_between(event.onset, event.end or contents.end)
    means = [minute.mean for minute in minutes if minute.mean is not None]
    if means:
        yield texts_of("dossier", formats.language)["humidity_of"].format(
            mean=formats.number(sum(means) / len(means)), highest=formats.number(max(means))
        )


def _check_region(contents: Contents, event: DetectedEvent, formats: Formats) -> Iterator[str]:
    texts = texts_of("dossier", formats.language)
    if event.document.merged_into is not None:
        yield texts["region_merged"].format(id=event.document.merged_into)
    for other in contents.around:
        is_same = other.observed_property == event.document.observed_property
        if other.kind == "regional" and is_same and other.id != event.document.merged_into:
            yield texts["region_item"].format(id=other.id, start=formats.date_time_seconds(other.onset))


def _check_station(contents: Contents, event: DetectedEvent, formats: Formats) -> Iterator[str]:
    texts = texts_of("dossier", formats.language)
    others = [other.document for other in contents.events if other.document.id != event.document.id]
    for other in (*others, *contents.around):
        if other.station == contents.station.id and other.kind != "regional":
            yield texts["station_item"].format(
                name=formats.name_of(other.observed_property),
                kind=texts[f"kind_{other.kind}"],
                start=formats.date_time_seconds(other.onset),
                id=other.id,
            )


def _check_permits(event: DetectedEvent, formats: Formats) -> Iterator[str]:
    """The legal basis of a known source, as the decision recorded it."""
    for step in event.decisions:
        if isinstance(step, DecisionStep) and step.reason == DecisionReason.KNOWN_SOURCE:
            yield describe_detail(step.detail, formats.language)


def _check_maintenance(contents: Contents, chapter: Chapter, formats: Formats) -> Iterator[str]:
    texts = texts_of("dossier", formats.language)
    flagged = [minute for minute in chapter.series.minutes if minute.flags & Flag.MAINTENANCE]
    if flagged:
        flag = flag_text("maintenance", formats.language)
        yield texts["maintenance_flagged"].format(count=len(flagged), flag=flag)
    for silence in contents.silences:
        if silence.kind == "maintenance":
            yield texts["maintenance_item"].format(
                start=_format(silence.starts_at, formats),
                end=_format(silence.ends_at, formats),
                reason=silence.reason.rstrip("."),
            )


def _format(at: datetime, formats: Formats) -> str:
    return formats.date_time_seconds(at.isoformat())
