"""Texts of plumes: title, sentence, who was notified, and the chronology. Pages and feeds share them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec import to_builtins

from alerting.vocabulary import texts_of
from edge_agent.wire import is_guest
from gateway.api.pages.event_texts import describe_peak
from gateway.api.pages.formats import Formats
from gateway.api.schemas.events import PublicFalseAlarm
from gateway.api.schemas.plumes import Plume, PlumeEvent


@dataclass(frozen=True, kw_only=True)
class ChronologyStep:
    """One thing that happened, at a time in RFC 3339, as a sentence."""

    at: str
    text: str


def leading_event(plume: Plume) -> PlumeEvent:
    """The event that stands for the plume."""
    return plume.events[0]


def list_events(plume: Plume) -> list[dict[str, Any]]:
    """The events of a plume for scripts, each with the plume's id as in the live feed."""
    return [{**to_builtins(event), "plume": plume.id} for event in plume.events]


def describe_on_card(formats: Formats, plume: Plume) -> str:
    """The notified receivers with the times; of an ongoing plume also that nobody was notified. Otherwise empty."""
    is_told = any(receiver.notified_at is not None for receiver in plume.notified)
    return describe_notified(formats, plume) if is_told or plume.state == "ongoing" else ""


def find_event_at(plume: Plume, station: str) -> PlumeEvent | None:
    """The worst event of a plume at one station that was not disproved; None if there is none."""
    return next((event for event in plume.events if event.station == station and event.change != "voided"), None)


def name_stations(formats: Formats, plume: Plume) -> str:
    """The station of the leading event, and how many others."""
    first, others = plume.stations[0].name, len(plume.stations) - 1
    return first if others == 0 else f"{first} {formats.texts.plural('other_stations', others)}"


def build_title(formats: Formats, plume: Plume) -> str:
    """The plume in one line: property, stations, the value with its averaging."""
    event = leading_event(plume)
    value = formats.peak(event.peak, event.background, event.unit)
    name = formats.name_of(event.observed_property)
    return f"{name}, {name_stations(formats, plume)}: {value}, {formats.averaging(event.peak_averaging)}"


def build_plume_sentence(formats: Formats, plume: Plume) -> str:
    """The plume in a few sentences: the leading event, the duration of the whole, the other stations and properties."""
    event, texts = leading_event(plume), formats.texts
    if plume.state == "voided":
        return describe_voided(formats, plume.false_alarm)
    lasted = formats.duration(plume.onset, plume.end)
    sentences = [
        describe_peak(formats, event, when=plume.onset)
        + texts["sentence_over" if plume.end else "sentence_open"].format(lasted=lasted)
    ]
    if len(plume.stations) > 1:
        names = [f"{station.name} ({formats.clock(station.onset)})" for station in plume.stations[1:]]
        sentences.append(texts["plume_also_at"].format(stations=", ".join(names)))
    if len(plume.properties) > 1:
        names = [formats.name_of(name) for name in plume.properties[1:]]
        sentences.append(texts["plume_also_in"].format(properties=", ".join(names)))
    return " ".join(sentences)


def describe_voided(formats: Formats, false_alarm: PublicFalseAlarm | None) -> str:
    """The sentence that it was no peak: by an inspector with the cause, or by later readings."""
    if false_alarm is None:
        return f"{formats.texts['voided'][0].upper()}{formats.texts['voided'][1:]}."
    cause = texts_of("false_alarm", formats.language).describe(false_alarm.cause)
    at = formats.short_date_time(false_alarm.stated_at)
    return str(formats.texts["false_alarm"].format(cause=cause, at=at))


def describe_notified(formats: Formats, plume: Plume) -> str:
    """The notified receivers with the times, in one sentence; or that nobody was notified."""
    texts = formats.texts
    notified = [receiver for receiver in plume.notified if receiver.notified_at is not None]
    if notified:
        parts = [
            texts["notified_at"].format(receiver=receiver.receiver, time=formats.short_date_time(receiver.notified_at))
            for receiver in notified
            if receiver.notified_at is not None
        ]
        return "; ".join(parts)
    if plume.notified:
        return str(texts["notified_pending"].format(receivers=", ".join(item.receiver for item in plume.notified)))
    own_stations = [station for station in plume.stations if not is_guest(station.id)]
    return str(texts["notified_guest" if plume.stations and not own_stations else "notified_nobody"])


def build_chronology(formats: Formats, plume: Plume) -> Sequence[ChronologyStep]:
    """The events in order of time: measured, detected, notified, acknowledged, over."""
    texts, event = formats.texts, leading_event(plume)
    steps = [
        ChronologyStep(at=station.onset, text=texts["step_onset"].format(station=station.name))
        for station in plume.stations
    ]
    steps.append(ChronologyStep(at=plume.detected_at, text=texts["step_detected"]))
    highest = texts["step_lowest" if event.peak < event.background else "step_highest"].format(
        name=formats.name_of(event.observed_property),
        station=event.station_name,
        value=formats.peak(event.peak, event.background, event.unit),
        averaging=formats.averaging(event.peak_averaging),
    )
    steps.append(ChronologyStep(at=event.peak_at, text=highest))
    steps += [
        ChronologyStep(at=receiver.notified_at, text=texts["step_notified"].format(receiver=receiver.receiver))
        for receiver in plume.notified
        if receiver.notified_at is not None
    ]
    if plume.acknowledged_at is not None:
        steps.append(ChronologyStep(at=plume.acknowledged_at, text=texts["step_acknowledged"]))
    if plume.false_alarm is not None:
        step = describe_voided(formats, plume.false_alarm)
        steps.append(ChronologyStep(at=plume.false_alarm.stated_at, text=step))
    if plume.end is not None and plume.state == "over":
        steps.append(ChronologyStep(at=plume.end, text=texts["step_over"]))
    return sorted(steps, key=lambda step: datetime.fromisoformat(step.at))
