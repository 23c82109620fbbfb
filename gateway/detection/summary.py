"""An event in one plain sentence, in Dutch and in English. Pure."""

from alerting import vocabulary
from alerting.vocabulary import LANGUAGES
from gateway.model.event import Event, Kind
from gateway.model.registry import ObservedProperty, Registry

_SEVERAL = {
    "nl": ("", "een buur steeg", "twee buren stegen", "drie buren stegen", "{} buren stegen"),
    "en": ("", "one neighbour rose", "two neighbours rose", "three neighbours rose", "{} neighbours rose"),
}
_DOUBT = {
    "nl": {
        Kind.GLITCH: "Eén losse meting van {what} bij {place} sprong naar {peak}: vrijwel zeker een storing.",
        Kind.HUMIDITY: "{what} bij {place} leek te stijgen naar {peak}, bij vochtige lucht: waarschijnlijk mist.",
        Kind.SENSOR: "De sensor voor {what} bij {place} gaf {peak}, maar is daarin niet te vertrouwen.",
        Kind.REGIONAL: "{what} steeg in het hele gebied rond {place}, met {excess} boven de achtergrond{time}.",
    },
    "en": {
        Kind.GLITCH: "A single reading of {what} at {place} jumped to {peak}: no peak, probably a fault.",
        Kind.HUMIDITY: "{what} at {place} seemed to rise to {peak}, in humid air: probably fog.",
        Kind.SENSOR: "The sensor of {what} at {place} gave {peak}, but cannot be trusted there.",
        Kind.REGIONAL: "{what} rose in the whole area around {place}, by {excess} above the background{time}.",
    },
}


def sentences(event: Event, registry: Registry) -> dict[str, str]:
    """`nl` and `en`."""
    return {language: _sentence(event, registry, language) for language in LANGUAGES}


def _sentence(event: Event, registry: Registry, language: str) -> str:
    observed_property = registry.properties[event.observed_property]
    facts = {
        "what": _name(observed_property, language),
        "place": registry.stations[event.station].name or event.station,
        "peak": _figure(event.peak, observed_property, language),
        "excess": _figure(event.excess, observed_property, language),
        "time": _lasting(event, language),
    }
    if event.kind in _DOUBT[language]:
        return _DOUBT[language][event.kind].format(**facts)
    dutch = language == "nl"
    fell = event.peak < event.background
    verb = ("daalde" if fell else "steeg") if dutch else ("fell" if fell else "rose")
    first = ("{what} bij {place} {verb} naar {peak}" if dutch else "{what} at {place} {verb} to {peak}").format(
        verb=verb, **facts
    )
    return "; ".join([first + _times(event, language) + facts["time"], *_around(event, language)]) + "."


def _name(observed_property: ObservedProperty, language: str) -> str:
    one = observed_property.id
    return (
        vocabulary.name(one, language) if one in vocabulary.PROPERTIES else observed_property.name.get(language) or one
    )


def _figure(value: float, observed_property: ObservedProperty, language: str) -> str:
    text = f"{value:.0f}" if abs(value) >= 10 else f"{value:.1f}"
    return f"{vocabulary.decimal(text, language)} {vocabulary.unit(observed_property.unit)}"


def _times(event: Event, language: str) -> str:
    if event.background <= 0 or event.peak < 1.5 * event.background or event.background < 2 * event.noise:
        return ""
    times = round(event.peak / event.background)
    return f", {times} keer de achtergrond" if language == "nl" else f", {times} times its background"


def _lasting(event: Event, language: str) -> str:
    if event.end is None:
        return ""
    seconds = (event.end - event.onset).total_seconds()
    number, dutch, english = (round(seconds), "seconden", "seconds") if seconds < 90 else _longer(seconds)
    return f", {number} {dutch} lang" if language == "nl" else f", for {number} {english}"


def _longer(seconds: float) -> tuple[int, str, str]:
    return (round(seconds / 60), "minuten", "minutes") if seconds < 7200 else (round(seconds / 3600), "uur", "hours")


def _around(event: Event, language: str) -> list[str]:
    dutch, found = language == "nl", []
    if event.neighbours is not None and event.neighbours.fresh > 0:
        risen = event.neighbours.risen
        several = _SEVERAL[language][min(risen, 4)].format(risen)
        nobody = "geen buur steeg mee" if dutch else "no neighbour rose"
        found.append(several + (" ook" if dutch else " too") if risen else nobody)
    if event.wind is not None:
        where = vocabulary.direction(event.wind.direction, language)
        blows = f"wind uit het {where}" if dutch else f"wind from the {where}"
        if event.upwind:
            blows += f", van {event.upwind[0].name}" if dutch else f", from {event.upwind[0].name}"
        found.append(blows)
    return found
