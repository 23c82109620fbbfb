"""An event in one plain sentence, in Dutch and in English. Pure."""

from math import ceil

from alerting import vocabulary
from alerting.alert import peak_averaging
from alerting.vocabulary import LANGUAGES
from gateway.detection.confidence import ConfidenceReason
from gateway.model.event import Event, EventKind, Neighbours
from gateway.model.registry import ObservedProperty, Registry
from gateway.model.texts import texts_of


def summarize_event(event: Event, registry: Registry) -> dict[str, str]:
    """`nl` and `en`."""
    return {language: _summarize(event, registry, language) for language in LANGUAGES}


def _summarize(event: Event, registry: Registry, language: str) -> str:
    observed_property = registry.properties[event.observed_property]
    facts = {
        "what": observed_property.names_in_text.get(language) or observed_property.id,
        "place": registry.stations[event.station].name or event.station,
        "peak": vocabulary.format_peak(event.peak, event.background, observed_property.unit, language),
        "excess": _format_value(event.excess, observed_property, language),
        "averaging": vocabulary.averaging_text(peak_averaging(event.kind.value), language),
        "time": _format_duration(event, language),
    }
    kind = "regional_fell" if event.kind is EventKind.REGIONAL and event.falls else event.kind.value
    sentence = texts_of("event_kind", language).get(kind)
    if sentence is not None:
        return sentence.format(**facts)
    opening = texts_of("summary", language)["fell" if event.falls else "rose"]
    return (
        "; ".join(
            [
                opening.format(ratio=_format_ratio(event, observed_property.unit, language), **facts),
                *_describe_context(event, language),
            ]
        )
        + "."
    )


def _format_value(value: float, observed_property: ObservedProperty, language: str) -> str:
    return f"{vocabulary.format_number(value, language)} {vocabulary.unit_symbol(observed_property.unit)}"


def _format_ratio(event: Event, unit: str, language: str) -> str:
    ratio = vocabulary.format_ratio(event.peak, event.background, unit, language)
    if not ratio or event.background < 2 * event.noise or unit in vocabulary.ARBITRARY_UNITS:
        return ""
    return texts_of("summary", language)["times_background"].format(ratio=ratio)


def _format_duration(event: Event, language: str) -> str:
    if event.end is None:
        return ""
    duration = vocabulary.format_duration((event.end - event.onset).total_seconds(), language)
    return texts_of("summary", language)["lasted"].format(duration=duration)


def _describe_context(event: Event, language: str) -> list[str]:
    texts, clauses = texts_of("summary", language), []
    if ConfidenceReason.NO_DATA in event.reasons:
        clauses.append(texts["no_data"])
    if ConfidenceReason.DETECTOR_REPLACED in event.reasons:
        clauses.append(texts["detector_replaced"])
    if event.neighbours is not None and event.neighbours.fresh > 0:
        clauses.append(_describe_neighbours(event.neighbours, language, falls=event.falls))
    if event.wind is not None:
        direction = vocabulary.compass_direction(event.wind.direction, language)
        site = event.upwind[0].name if event.upwind else ""
        clauses.append(texts["wind_site" if site else "wind"].format(direction=direction, site=site))
    return clauses


def _describe_neighbours(neighbours: Neighbours, language: str, *, falls: bool) -> str:
    """How many of how many neighbours rose too, and within how many minutes (rounded up)."""
    texts, risen = texts_of("summary", language), neighbours.risen
    count = "none" if risen == 0 else "one" if risen == 1 else "many"
    noun = texts["neighbour" if neighbours.fresh == 1 else "neighbours"]
    clause = texts[f"{count}_{'fell' if falls else 'rose'}"].format(risen=risen, total=neighbours.fresh, noun=noun)
    minutes = ceil(neighbours.window / 60)
    if minutes == 0:
        return clause
    return texts["within_minute" if minutes == 1 else "within_minutes"].format(clause=clause, count=minutes)
