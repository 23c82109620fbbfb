"""Facts of one event in a dossier: wind, parameters of the detector, levels, and the highest value nearby. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from alerting.alert import Severity
from gateway.api.pages.event_map import describe_wind
from gateway.api.pages.formats import Formats
from gateway.dossier.contents import Contents, DetectedEvent, NeighbourMinutes
from gateway.model.texts import texts_of


class Level(Struct, frozen=True, kw_only=True):
    """A severity with the excess from which it counts."""

    name: str
    from_excess: float
    is_reached: bool


def describe_event_wind(event: DetectedEvent, formats: Formats) -> str:
    """The wind as the event has it."""
    texts, wind = texts_of("dossier", formats.language), event.document.around.wind
    if wind is None:
        return texts["wind_unknown"]
    text = describe_wind(formats, event.document.around)
    return texts["wind_spread"].format(wind=text, spread=f"{wind.spread:.0f}", readings=wind.readings)


def list_parameters(event: DetectedEvent) -> Sequence[tuple[str, str]]:
    """Name and value of the detector's parameters for the event's property; empty if they were not stored."""
    if event.parameters is None:
        return ()
    tables: Mapping[str, Any] = msgspec.json.decode(event.parameters).get("property", {})
    table = tables.get(event.document.observed_property, {})
    return [(name, msgspec.json.encode(value).decode()) for name, value in table.items()]


def find_highest(contents: Contents, neighbour: NeighbourMinutes) -> float | None:
    """The highest minute mean of a neighbour during the event of the dossier."""
    event = contents.events[0]
    last = event.end or contents.end
    first = event.onset.replace(second=0, microsecond=0)
    means = [mean for at, mean in neighbour.means if first <= at < last and mean is not None]
    return max(means, default=None)


def describe_level(event: DetectedEvent, formats: Formats) -> str:
    """The level that the event reached, by its excess."""
    texts, document = texts_of("dossier", formats.language), event.document
    if not event.is_peak:
        kind = formats.texts["voided"] if document.change == "voided" else texts[f"kind_{document.kind}"]
        return texts["levels_no_peak"].format(kind=kind)
    key = "at_or_below" if document.peak < document.background else "at_or_above"
    return texts[key].format(
        level=formats.texts[document.severity],
        excess=formats.number(document.excess),
        unit=formats.unit_of(document.unit),
        averaging=formats.averaging(document.peak_averaging),
    )


def list_levels(event: DetectedEvent, formats: Formats) -> Sequence[Level]:
    """Each level, and whether the event reached it."""
    return [
        Level(
            name=formats.texts[severity.value],
            from_excess=from_excess,
            is_reached=event.document.excess >= from_excess,
        )
        for severity, from_excess in zip(Severity, event.levels or (), strict=False)
    ]
