"""From a change in the kernel's records to an Event, with all that is known around it. Pure."""

import hashlib
from typing import Any

from msgspec.structs import replace

from gateway.detection import records
from gateway.detection.confidence import assess_confidence
from gateway.detection.context import find_upwind_sites, neighbours_from_slots, wind_from_sums
from gateway.detection.settings import DetectionSettings
from gateway.detection.summary import summarize_event
from gateway.model.event import Event, EventChange, EventKind, derive_event_id
from gateway.model.registry import Registry
from gateway.model.timestamps import from_ms

_CHANGES = {
    records.OPENED: EventChange.OPENED,
    records.UPDATED: EventChange.UPDATED,
    records.ENDED: EventChange.ENDED,
    records.VOIDED: EventChange.VOIDED,
    records.MERGED: EventChange.MERGED,
}
_KINDS = {
    records.PEAK: EventKind.PEAK,
    records.REGIONAL: EventKind.REGIONAL,
    records.GLITCH: EventKind.GLITCH,
    records.HUMIDITY: EventKind.HUMIDITY,
    records.SENSOR: EventKind.SENSOR,
}


def build_event(record: Any, detector_name: str, settings: DetectionSettings, registry: Registry) -> Event:  # noqa: ANN401 - numpy
    """The event as it is after this change."""
    slot, kind = int(record["slot"]), _KINDS[int(record["kind"])]
    datastream = registry.datastreams[slot]
    station = registry.stations[datastream.station]
    facts = _extract_facts(record, kind)
    polarity = settings.property[datastream.observed_property].polarity
    event_record, change_record = record["event"], record
    location = station.area if kind is EventKind.REGIONAL else station.id
    east, north, speed = (float(event_record[f"wind_{part}"]) for part in ("east", "north", "speed"))
    wind = wind_from_sums(east, north, speed, int(event_record["wind_readings"]))
    risen_slots = [int(j) for j in change_record["who"][: min(int(change_record["risen"]), records.MAX_RISEN_SLOTS)]]
    neighbours = neighbours_from_slots(
        station, int(change_record["fresh"]), int(change_record["risen"]), risen_slots, registry
    )
    change = _CHANGES[int(record["change"])]
    confidence = assess_confidence(
        change=change,
        kind=kind,
        excess=facts["peak"] - facts["background"],
        background=facts["background"],
        noise=facts["noise"],
        flags=facts["flags"],
        neighbours=neighbours,
        agrees=int(event_record["agrees"]),
        disagrees=int(event_record["disagrees"]),
        minutes=_minutes_since_onset(facts, change),
        waited=_minutes_to_tail(event_record),
    )
    event = Event(
        id=derive_event_id(location, datastream.observed_property, detector_name, facts["onset"], kind),
        revision=facts["revision"],
        change=change,
        kind=kind,
        datastream=slot,
        station=station.id,
        observed_property=datastream.observed_property,
        onset=facts["onset"],
        peak_at=facts["peak_at"],
        detected_at=facts["detected"],
        end=facts["end"] if change in {EventChange.ENDED, EventChange.VOIDED, EventChange.MERGED} else None,
        peak=polarity * facts["peak"],
        background=polarity * facts["background"],
        excess=facts["peak"] - facts["background"],
        noise=facts["noise"],
        confidence=confidence.value,
        reasons=confidence.reasons,
        detector=detector_name,
        neighbours=neighbours,
        wind=wind,
        upwind=find_upwind_sites(station, wind, registry),
        merged_into=_episode_id(record, detector_name, registry) if change is EventChange.MERGED else None,
        state_hash=hashlib.sha256(
            b"".join(record[part].tobytes() for part in ("stream", "event", "group"))
        ).hexdigest()[:16],
    )
    return replace(event, words=summarize_event(event, registry))


def _extract_facts(record: Any, kind: EventKind) -> dict[str, Any]:  # noqa: ANN401 - numpy
    """What stands in which record differs between a peak, an episode of all, and what is odd."""
    stream, event_record, group = record["stream"], record["event"], record["group"]
    if kind is EventKind.REGIONAL:
        background = float(group["peak_background"])
        return {
            **{f: from_ms(group[f]) for f in ("onset", "peak_at", "detected")},
            "end": from_ms(group["below_since"]),
            "revision": int(group["revision"]),
            "peak": background + float(group["peak"]),
            "background": background,
            "noise": float(group["peak_noise"]),
            "flags": 0,
        }
    if (
        int(stream["odd_count"]) > 0
        and int(record["change"]) == records.ENDED
        and kind in {EventKind.GLITCH, EventKind.SENSOR}
    ):
        return {
            "onset": from_ms(event_record["odd_since"]),
            "peak_at": from_ms(event_record["odd_since"]),
            "detected": from_ms(stream["at"]),
            "end": from_ms(stream["at"]),
            "revision": 1,
            "peak": float(event_record["odd_peak"]),
            "background": float(event_record["odd_level"]),
            "noise": float(event_record["odd_noise"]),
            "flags": int(event_record["odd_flags"]),
        }
    return {
        **{f: from_ms(event_record[f]) for f in ("onset", "peak_at", "detected")},
        "end": from_ms(event_record["below_since"] if int(record["change"]) != records.MERGED else stream["at"]),
        "revision": int(stream["revision"]),
        "peak": float(event_record["peak"]),
        "background": float(event_record["peak_background"]),
        "noise": float(event_record["peak_noise"]),
        "flags": int(event_record["flags"]),
    }


def _minutes_since_onset(facts: dict[str, Any], change: EventChange) -> float:
    """How long it has lasted, as far as is known."""
    until = facts["peak_at"] if change in {EventChange.OPENED, EventChange.UPDATED} else facts["end"]
    return float((until - facts["onset"]).total_seconds() / 60)


def _minutes_to_tail(event_record: Any) -> float | None:  # noqa: ANN401 - numpy
    """Minutes from the one reading that made the event until its tail was known."""
    is_single_reading = event_record["trailing"] and event_record["peak_at"] == event_record["onset"]
    return float(event_record["detected"] - event_record["onset"]) / 60_000 if is_single_reading else None


def _episode_id(record: Any, detector_name: str, registry: Registry) -> str:  # noqa: ANN401 - numpy
    """The id of the episode that the event is the beginning of."""
    datastream = registry.datastreams[int(record["slot"])]
    area = registry.stations[datastream.station].area
    return derive_event_id(
        area, datastream.observed_property, detector_name, from_ms(record["group"]["onset"]), EventKind.REGIONAL
    )
