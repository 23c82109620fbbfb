"""The five sentences about one event: what, how sure, from where, who was notified, how complete the data are. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from alerting.vocabulary import format_time_of_day
from gateway.api.pages.event_map import describe_wind
from gateway.api.pages.event_texts import describe_event
from gateway.api.pages.formats import Formats
from gateway.api.schemas.observations import flag_names
from gateway.dossier.contents import Chapter, DetectedEvent, MinuteMean
from gateway.model.texts import texts_of


@dataclass(frozen=True, kw_only=True)
class Completeness:
    """Readings of a period: how many came, how many count, how many a complete period has, and their flags."""

    readings: int
    valid: int
    expected: int | None
    flags: Sequence[str]


def measure_completeness(minutes: Iterable[MinuteMean]) -> Completeness:
    """Sum the minutes; `expected` is None if the usual step of any of them is unknown."""
    minutes = list(minutes)
    bits = 0
    for minute in minutes:
        bits |= minute.flags
    expected = [minute.expected_count for minute in minutes]
    return Completeness(
        readings=sum(minute.readings for minute in minutes),
        valid=sum(minute.valid_count for minute in minutes),
        expected=sum(count for count in expected if count is not None) if None not in expected and expected else None,
        flags=flag_names(bits),
    )


def describe_completeness(completeness: Completeness, formats: Formats) -> dict[str, object]:
    """The fields of the sentence about the readings."""
    texts = texts_of("dossier", formats.language)
    expected = completeness.expected
    return {
        "readings": completeness.readings,
        "valid": completeness.valid,
        "expected": "" if expected is None else texts["expected_suffix"].format(expected=expected),
        "flags": formats.flags(list(completeness.flags)) or texts["none"],
    }


def summarise_event(chapter: Chapter, event: DetectedEvent, formats: Formats) -> list[str]:
    """Five sentences, in the language of the formats."""
    texts = texts_of("dossier", formats.language)
    minutes = chapter.series.minutes_between(event.onset, event.end or chapter.series.selection.end)
    return [
        describe_event(formats, event.document),
        texts["sentence_sure"].format(percent=f"{event.document.confidence * 100:.0f}"),
        _summarise_wind(event, formats),
        _summarise_notified(event, formats),
        texts["sentence_quality"].format(**describe_completeness(measure_completeness(minutes), formats)),
    ]


def _summarise_wind(event: DetectedEvent, formats: Formats) -> str:
    texts, around = texts_of("dossier", formats.language), event.document.around
    if around.wind is None:
        return texts["sentence_no_wind"]
    wind = describe_wind(formats, around)
    if not around.upwind:
        return texts["sentence_wind_alone"].format(wind=wind)
    return texts["sentence_wind"].format(wind=wind, sites=", ".join(describe_upwind(event, formats)))


def describe_upwind(event: DetectedEvent, formats: Formats) -> list[str]:
    """The facilities upwind, each with distance and bearing."""
    return [
        texts_of("dossier", formats.language)["upwind_item"].format(
            name=site.name, distance=formats.number(site.distance / 1_000), bearing=f"{site.bearing:.0f}"
        )
        for site in event.document.around.upwind
    ]


def _summarise_notified(event: DetectedEvent, formats: Formats) -> str:
    """Each receiver with the first delivery, as the page shows them."""
    texts = texts_of("dossier", formats.language)
    receivers: dict[str, str] = {}
    for alert in sorted(event.alerts, key=lambda alert: alert.id):
        if alert.state in {"delivered", "partial"} and alert.finished_at is not None:
            channel = formats.texts.get(alert.channel, alert.channel)
            at = format_time_of_day(datetime.fromisoformat(alert.finished_at))
            receivers.setdefault(alert.receiver, f"{alert.receiver} ({channel}, {at})")
    if not receivers and event.alerts:
        waiting = {alert.receiver: formats.texts.get(alert.state, alert.state) for alert in event.alerts}
        states = ", ".join(f"{receiver} ({state})" for receiver, state in sorted(waiting.items()))
        return texts["sentence_undelivered"].format(receivers=states)
    if not receivers:
        return texts["notified_none"]
    return texts["sentence_notified"].format(receivers=", ".join(receivers.values()))
