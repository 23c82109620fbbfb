"""Is something in the air, since when, how bad, from where, and who knows of it: the answer in sentences. Pure.

`first_screen` fetches what the answer is made of. A station has a peak while the detector's event goes on. Without a
peak it is raised if a one-minute mean reaches the first level of the map's colours, so that the label and the colour
of the marker agree.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from alerting.alert import Severity
from alerting.vocabulary import compass_direction, severity_text
from edge_agent.wire import is_guest
from gateway.api.data.area_wind import AreaWind
from gateway.api.data.registry import StationRow
from gateway.api.pages.event_map import describe_area_wind
from gateway.api.pages.formats import Formats
from gateway.api.pages.plume_texts import describe_notified, find_event_at
from gateway.api.schemas.events import Event, Wind
from gateway.api.schemas.observations import Minute
from gateway.api.schemas.plumes import Plume, PlumeEvent
from gateway.api.schemas.situations import Situation, Situations, State
from gateway.model.properties import PROPERTIES, SHOWN_PROPERTIES
from gateway.model.texts import texts_of
from gateway.model.timestamps import format_instant

_RANKS: Mapping[State, int] = {"no_data": 0, "quiet": 1, "raised": 2, "peak": 10}


@dataclass(frozen=True, kw_only=True)
class OpenPeak:
    """The worst event that goes on at one station, and the plume that it belongs to."""

    event: Event
    plume: Plume

    @property
    def since(self) -> str:
        """When the plume reached the station: lists and the plume's page show the same."""
        onsets = [station.onset for station in self.plume.stations if station.id == self.event.station]
        return onsets[0] if onsets else self.event.onset

    @property
    def worst(self) -> Event | PlumeEvent:
        """The event with the figures of the plume at the station; an earlier one of the plume may be worse."""
        return find_event_at(self.plume, self.event.station) or self.event

    @property
    def rank(self) -> tuple[int, bool]:
        """Higher is worse; of equals the event that stands for its plume comes first."""
        return Severity(self.worst.severity).rank, self.worst.id == self.plume.leading


@dataclass(frozen=True, kw_only=True)
class StationAir:
    """The newest minutes of one station by property, and the worst peak that goes on there."""

    station: StationRow
    minutes: Mapping[str, Minute]
    peak: OpenPeak | None


def build_situations(  # noqa: PLR0917 - the facts of one moment
    formats: Formats,
    stations: Sequence[StationAir],
    winds: Mapping[str, AreaWind | None],
    area_name: str,
    max_age: timedelta,
    attribution: str,
) -> Situations:
    """The situation at each station, the worst first; equals by name; guests after all others. `winds`: by area.

    A guest answers for the whole area only if there is no other station.
    """
    sentences = {area: describe_wind_now(formats, wind) for area, wind in winds.items()}
    items = [
        _build_situation(
            formats, item, _select_recent(item.minutes, formats.now - max_age), [sentences[item.station.area]]
        )
        for item in stations
    ]
    leading = {item.station.id for item in stations if item.peak is not None and item.peak.rank[1]}
    items.sort(key=lambda item: (is_guest(item.station), -item.rank, item.station not in leading, item.station_name))
    worst = items[0] if items else None
    state: State = "no_data" if worst is None else worst.state
    if worst is not None and state in {"peak", "raised"}:
        headline, facts = worst.headline, worst.facts
    else:
        headline = formats.texts[f"air_{state}_area"].format(area=area_name)
        facts = list(sentences.values()) if state == "quiet" and len(sentences) == 1 else []
    return Situations(
        at=format_instant(formats.now),
        headline=headline,
        facts=[*facts, *_describe_more_peaks(formats, stations), *describe_guest_peaks(formats, state, items)],
        state=state,
        plume=None if worst is None else worst.plume,
        items=items,
        attribution=attribution,
    )


def describe_wind_now(formats: Formats, wind: AreaWind | None) -> str:
    """The wind of an area as a sentence, as the map shows it; or that it is not known."""
    if wind is None:
        return str(formats.texts["air_wind_unknown"])
    text = describe_area_wind(formats, wind)
    return f"{_capitalise(text)}." if wind.direction is None else f"{_capitalise(formats.texts['wind'])} {text}."


def _build_situation(
    formats: Formats, item: StationAir, recent: Mapping[str, Minute], wind_facts: Sequence[str]
) -> Situation:
    if item.peak is not None:
        return _build_peak(formats, item.station, item.peak, wind_facts)
    name = item.station.name
    raised = _find_raised(recent)
    property_id = raised or next((id_ for id_ in SHOWN_PROPERTIES if _mean_of(recent, id_) is not None), None)
    if property_id is None:
        state: State = "no_data"
        value = averaging = ""
    else:
        state = "raised" if raised else "quiet"
        minute = recent[property_id]
        value = f"{formats.name_of(property_id)}: {_format_value(formats, minute.mean, minute.unit)}".rstrip(": ")
        averaging = formats.averaging(minute.averaging)
    headline = formats.texts[f"air_{state}"].format(station=name, value=value, averaging=averaging)
    return Situation(
        station=item.station.id,
        station_name=name,
        state=state,
        rank=_RANKS[state],
        label=formats.texts[f"label_{state}"],
        value=value,
        averaging=averaging,
        headline=headline,
        facts=[] if state == "no_data" else list(wind_facts),
    )


def _build_peak(formats: Formats, station: StationRow, peak: OpenPeak, wind_facts: Sequence[str]) -> Situation:
    event, texts = peak.worst, formats.texts
    severity = severity_text(event.severity, formats.language)
    value, averaging = formats.peak(event.peak, event.background, event.unit), formats.averaging(event.peak_averaging)
    headline = texts["air_peak"].format(
        name=formats.name_of(event.observed_property),
        station=station.name,
        since=formats.short_date_time(peak.since),
        severity=severity,
    )
    wind = _describe_event_wind(formats, peak.event)
    notified = _capitalise(describe_notified(formats, peak.plume))
    facts = [
        _describe_size(formats, event, value, averaging),
        *([wind] if wind else wind_facts),
        notified if notified.endswith(".") else f"{notified}.",
    ]
    return Situation(
        station=station.id,
        station_name=station.name,
        state="peak",
        rank=_RANKS["peak"] + Severity(event.severity).rank,
        label=texts["label_peak"].format(severity=severity),
        value=value,
        averaging=averaging,
        headline=headline,
        facts=facts,
        plume=peak.plume.id,
    )


def _describe_size(formats: Formats, event: Event | PlumeEvent, value: str, averaging: str) -> str:
    """The highest value, or the lowest of a signal that falls, with its multiple of the background."""
    ratio = formats.peak_ratio(event)
    name = formats.texts["extreme_value" if event.peak < event.background else "peak"]
    size = f"{_capitalise(name)} ({averaging}): {value}"
    return f"{size}, {ratio}{formats.texts['times']}." if ratio else f"{size}."


def _describe_event_wind(formats: Formats, event: Event) -> str:
    """The wind during the event in the detector's wording; empty without one."""
    wind: Wind | None = event.around.wind
    if wind is None:
        return ""
    site = event.around.upwind[0].name if event.around.upwind else ""
    text = texts_of("summary", formats.language)["wind_site" if site else "wind"].format(
        direction=compass_direction(wind.direction, formats.language), site=site
    )
    return f"{_capitalise(text)}."


def _describe_more_peaks(formats: Formats, stations: Sequence[StationAir]) -> list[str]:
    """How many other plumes go on; empty for at most one."""
    peaks = [item.peak for item in stations if item.peak is not None and not is_guest(item.station.id)]
    others = len({peak.plume.id for peak in peaks}) - 1
    return [formats.texts.plural("air_more_peaks", others)] if others > 0 else []


def describe_guest_peaks(formats: Formats, state: State, items: Sequence[Situation]) -> list[str]:
    """The stations of guests with a peak, while the answer in this state is of others that have none."""
    names = [item.station_name for item in items if item.state == "peak" and is_guest(item.station)]
    if state == "peak" or not names:
        return []
    return [formats.texts["air_guest_peak"].format(stations=", ".join(names))]


def _select_recent(minutes: Mapping[str, Minute], oldest: datetime) -> dict[str, Minute]:
    """The minutes that are recent enough to be shown."""
    return {
        name: minute
        for name, minute in minutes.items()
        if minute.observed_at is not None and datetime.fromisoformat(minute.observed_at) >= oldest
    }


def _find_raised(recent: Mapping[str, Minute]) -> str | None:
    """The property whose mean is in the highest class of colours above the lowest; None if all are in the lowest."""
    classes = {
        name: sum(mean >= step for step in PROPERTIES[name].colour_steps or ())
        for name in SHOWN_PROPERTIES
        if (mean := _mean_of(recent, name)) is not None
    }
    highest = max(classes.values(), default=0)
    return next((name for name, number in classes.items() if number == highest), None) if highest else None


def _mean_of(minutes: Mapping[str, Minute], name: str) -> float | None:
    minute = minutes.get(name)
    return None if minute is None else minute.mean


def _format_value(formats: Formats, value: float | None, unit: str) -> str:
    """The figure with its unit; empty for a scale without a meaning for readers."""
    if value is None or formats.is_raw_signal(unit):
        return ""
    return f"{formats.number(value)} {formats.unit_of(unit)}".strip()


def _capitalise(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"
