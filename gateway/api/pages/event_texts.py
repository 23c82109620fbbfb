"""Texts and the charted period of one event; the page and the dossier share them. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from alerting.vocabulary import ARBITRARY_UNITS
from gateway.api.pages.formats import Formats
from gateway.api.schemas.events import Event
from gateway.api.schemas.plumes import PlumeEvent

_SHORT_EVENT = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True)
class ChartPeriod:
    """The period of an event's chart. `is_short`: the event is so short that single readings are drawn."""

    start: datetime
    end: datetime
    is_short: bool


def choose_chart_period(onset: datetime, end: datetime | None, now: datetime) -> ChartPeriod:
    """Return the period around an event; without an end the event lasts until `now`."""
    end = min(now, end or now)
    if end - onset <= _SHORT_EVENT:
        return ChartPeriod(start=onset - _SHORT_EVENT / 2, end=end + _SHORT_EVENT / 2, is_short=True)
    latest = min(end + timedelta(minutes=30), onset + timedelta(hours=12))
    end = max(onset + timedelta(minutes=30), latest)
    return ChartPeriod(start=onset - timedelta(hours=1), end=end, is_short=False)


def describe_event(formats: Formats, event: Event) -> str:
    """The detector's sentence, which names neighbours and wind.

    An older event has none, or one without the averaging of its peak: it gets `build_sentence`.
    """
    sentence = event.around.words.get(formats.language, "")
    return sentence if formats.averaging(event.peak_averaging) in sentence else build_sentence(formats, event)


def describe_neighbours(formats: Formats, event: Event) -> str:
    """How many of how many neighbours rose or fell too, and within how many minutes (rounded up); empty without any."""
    neighbours = event.around.neighbours
    if neighbours is None or neighbours.fresh == 0:
        return ""
    key = "fell_too" if event.peak < event.background else "rose_too"
    if neighbours.window == 0:
        return formats.texts[key].format(risen=neighbours.risen, fresh=neighbours.fresh)
    window = f"{ceil(neighbours.window / 60)} min"
    return formats.texts[f"{key}_within"].format(risen=neighbours.risen, fresh=neighbours.fresh, window=window)


def build_sentence(formats: Formats, event: Event) -> str:
    """The event in one sentence, from its values."""
    lasted = formats.duration(event.onset, event.end)
    ending = formats.texts["sentence_over" if event.end else "sentence_open"].format(lasted=lasted)
    return describe_peak(formats, event, when=event.onset) + ending


def describe_peak(formats: Formats, event: Event | PlumeEvent, *, when: str) -> str:
    """When, what, where and how high, without its end. The value of a raw signal is a share of its background."""
    texts = formats.texts
    key = "sentence_fell" if event.peak < event.background else "sentence"
    is_raw_signal = event.unit in ARBITRARY_UNITS
    text = texts[f"{key}_raw" if is_raw_signal else key].format(
        when=formats.date_time(when),
        name=formats.name_of(event.observed_property),
        station=event.station_name,
        averaging=formats.averaging(event.peak_averaging),
        peak=formats.peak(event.peak, event.background, event.unit),
        background="" if is_raw_signal else formats.peak(event.background, event.background, event.unit),
    )
    times = formats.peak_ratio(event)
    return text + texts["sentence_times"].format(times=times) if times else text
