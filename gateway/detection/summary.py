"""An event in one plain sentence, in Dutch and in English. Pure."""

from alerting import vocabulary
from alerting.vocabulary import LANGUAGES
from gateway.model.event import Event
from gateway.model.registry import ObservedProperty, Registry
from gateway.model.texts import texts_of

_WRITTEN_COUNT = 3  # up to this number neighbours are written in letters


def summarize_event(event: Event, registry: Registry) -> dict[str, str]:
    """`nl` and `en`."""
    return {language: _summarize(event, registry, language) for language in LANGUAGES}


def _summarize(event: Event, registry: Registry, language: str) -> str:
    observed_property = registry.properties[event.observed_property]
    facts = {
        "what": observed_property.names_in_text.get(language) or observed_property.id,
        "place": registry.stations[event.station].name or event.station,
        "peak": _format_value(event.peak, observed_property, language),
        "excess": _format_value(event.excess, observed_property, language),
        "time": _format_duration(event, language),
    }
    sentence = texts_of("event_kind", language).get(event.kind.value)
    if sentence is not None:
        return sentence.format(**facts)
    opening = texts_of("summary", language)["fell" if event.peak < event.background else "rose"]
    return (
        "; ".join([opening.format(ratio=_format_ratio(event, language), **facts), *_describe_context(event, language)])
        + "."
    )


def _format_value(value: float, observed_property: ObservedProperty, language: str) -> str:
    return f"{vocabulary.format_number(value, language)} {vocabulary.unit_symbol(observed_property.unit)}"


def _format_ratio(event: Event, language: str) -> str:
    ratio = vocabulary.format_ratio(event.peak, event.background, language)
    if not ratio or event.background < 2 * event.noise:
        return ""
    return texts_of("summary", language)["times_background"].format(ratio=ratio)


def _format_duration(event: Event, language: str) -> str:
    if event.end is None:
        return ""
    seconds = (event.end - event.onset).total_seconds()
    unit, length = ("seconds", 1) if seconds < 90 else ("minutes", 60) if seconds < 7_200 else ("hours", 3_600)
    return texts_of("summary", language)[f"for_{unit}"].format(count=round(seconds / length))


def _describe_context(event: Event, language: str) -> list[str]:
    texts, clauses = texts_of("summary", language), []
    if event.neighbours is not None and event.neighbours.fresh > 0:
        risen = event.neighbours.risen
        key = f"neighbours_{risen if risen <= _WRITTEN_COUNT else 'many'}" if risen else "no_neighbour"
        clauses.append(texts[key].format(count=risen))
    if event.wind is not None:
        direction = vocabulary.compass_direction(event.wind.direction, language)
        site = event.upwind[0].name if event.upwind else ""
        clauses.append(texts["wind_site" if site else "wind"].format(direction=direction, site=site))
    return clauses
