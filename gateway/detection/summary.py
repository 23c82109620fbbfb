"""An event in one plain sentence, in Dutch and in English. Pure."""

from alerting import vocabulary
from alerting.vocabulary import LANGUAGES
from gateway.model.event import Event, EventKind
from gateway.model.registry import ObservedProperty, Registry

_RISEN_NEIGHBOURS = {
    "nl": ("", "een buur steeg", "twee buren stegen", "drie buren stegen", "{} buren stegen"),
    "en": ("", "one neighbour rose", "two neighbours rose", "three neighbours rose", "{} neighbours rose"),
}
_KIND_SENTENCES = {
    "nl": {
        EventKind.GLITCH: "Eén losse meting van {what} bij {place} sprong naar {peak}: vrijwel zeker een storing.",
        EventKind.HUMIDITY: "{what} bij {place} leek te stijgen naar {peak}, bij vochtige lucht: waarschijnlijk mist.",
        EventKind.SENSOR: "De sensor voor {what} bij {place} gaf {peak}, maar is daarin niet te vertrouwen.",
        EventKind.REGIONAL: "{what} steeg in het hele gebied rond {place}, met {excess} boven de achtergrond{time}.",
    },
    "en": {
        EventKind.GLITCH: "A single reading of {what} at {place} jumped to {peak}: no peak, probably a fault.",
        EventKind.HUMIDITY: "{what} at {place} seemed to rise to {peak}, in humid air: probably fog.",
        EventKind.SENSOR: "The sensor of {what} at {place} gave {peak}, but cannot be trusted there.",
        EventKind.REGIONAL: "{what} rose in the whole area around {place}, by {excess} above the background{time}.",
    },
}


def summarize_event(event: Event, registry: Registry) -> dict[str, str]:
    """`nl` and `en`."""
    return {language: _summarize(event, registry, language) for language in LANGUAGES}


def _summarize(event: Event, registry: Registry, language: str) -> str:
    observed_property = registry.properties[event.observed_property]
    facts = {
        "what": _property_name(observed_property, language),
        "place": registry.stations[event.station].name or event.station,
        "peak": _format_value(event.peak, observed_property, language),
        "excess": _format_value(event.excess, observed_property, language),
        "time": _format_duration(event, language),
    }
    if event.kind in _KIND_SENTENCES[language]:
        return _KIND_SENTENCES[language][event.kind].format(**facts)
    dutch = language == "nl"
    fell = event.peak < event.background
    verb = ("daalde" if fell else "steeg") if dutch else ("fell" if fell else "rose")
    opening = ("{what} bij {place} {verb} naar {peak}" if dutch else "{what} at {place} {verb} to {peak}").format(
        verb=verb, **facts
    )
    return (
        "; ".join([opening + _format_ratio(event, language) + facts["time"], *_describe_context(event, language)]) + "."
    )


def _property_name(observed_property: ObservedProperty, language: str) -> str:
    property_id = observed_property.id
    return (
        vocabulary.property_name(property_id, language)
        if property_id in vocabulary.PROPERTY_NAMES
        else observed_property.name.get(language) or property_id
    )


def _format_value(value: float, observed_property: ObservedProperty, language: str) -> str:
    text = f"{value:.0f}" if abs(value) >= 10 else f"{value:.1f}"
    return f"{vocabulary.localize_decimal(text, language)} {vocabulary.unit_symbol(observed_property.unit)}"


def _format_ratio(event: Event, language: str) -> str:
    if event.background <= 0 or event.peak < 1.5 * event.background or event.background < 2 * event.noise:
        return ""
    ratio = round(event.peak / event.background)
    return f", {ratio} keer de achtergrond" if language == "nl" else f", {ratio} times its background"


def _format_duration(event: Event, language: str) -> str:
    if event.end is None:
        return ""
    seconds = (event.end - event.onset).total_seconds()
    number, dutch, english = (round(seconds), "seconden", "seconds") if seconds < 90 else _minutes_or_hours(seconds)
    return f", {number} {dutch} lang" if language == "nl" else f", for {number} {english}"


def _minutes_or_hours(seconds: float) -> tuple[int, str, str]:
    return (round(seconds / 60), "minuten", "minutes") if seconds < 7200 else (round(seconds / 3600), "uur", "hours")


def _describe_context(event: Event, language: str) -> list[str]:
    dutch, clauses = language == "nl", []
    if event.neighbours is not None and event.neighbours.fresh > 0:
        risen = event.neighbours.risen
        risen_text = _RISEN_NEIGHBOURS[language][min(risen, 4)].format(risen)
        none_text = "geen buur steeg mee" if dutch else "no neighbour rose"
        clauses.append(risen_text + (" ook" if dutch else " too") if risen else none_text)
    if event.wind is not None:
        direction = vocabulary.compass_direction(event.wind.direction, language)
        wind_text = f"wind uit het {direction}" if dutch else f"wind from the {direction}"
        if event.upwind:
            wind_text += f", van {event.upwind[0].name}" if dutch else f", from {event.upwind[0].name}"
        clauses.append(wind_text)
    return clauses
