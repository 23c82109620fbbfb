"""From a change in the kernel's records to an Event, with all that is known around it. Pure."""

import hashlib
from typing import Any

from msgspec.structs import replace

from gateway.detection import records
from gateway.detection.confidence import judge
from gateway.detection.context import neighbours_of, upwind, wind_of
from gateway.detection.settings import DetectionSettings
from gateway.detection.summary import sentences
from gateway.model.event import Change, Event, Kind, event_id
from gateway.model.registry import Registry
from gateway.model.timestamps import moment

_CHANGES = {
    records.OPENED: Change.OPENED,
    records.UPDATED: Change.UPDATED,
    records.ENDED: Change.ENDED,
    records.VOIDED: Change.VOIDED,
    records.MERGED: Change.MERGED,
}
_KINDS = {
    records.PEAK: Kind.PEAK,
    records.REGIONAL: Kind.REGIONAL,
    records.GLITCH: Kind.GLITCH,
    records.HUMIDITY: Kind.HUMIDITY,
    records.SENSOR: Kind.SENSOR,
}


def told(record: Any, name: str, settings: DetectionSettings, registry: Registry) -> Event:  # noqa: ANN401 - numpy
    """The event as it is after this change."""
    slot, kind = int(record["slot"]), _KINDS[int(record["kind"])]
    datastream = registry.datastreams[slot]
    station = registry.stations[datastream.station]
    facts = _facts(record, kind)
    polarity = settings.property[datastream.observed_property].polarity
    state, around = record["event"], record
    place = station.area if kind is Kind.REGIONAL else station.id
    east, north, speed = (float(state[f"wind_{part}"]) for part in ("east", "north", "speed"))
    wind = wind_of(east, north, speed, int(state["wind_readings"]))
    who = [int(j) for j in around["who"][: min(int(around["risen"]), records.WHO)]]
    neighbours = neighbours_of(station, int(around["fresh"]), int(around["risen"]), who, registry)
    change = _CHANGES[int(record["change"])]
    verdict = judge(
        change=change,
        kind=kind,
        excess=facts["peak"] - facts["background"],
        background=facts["background"],
        noise=facts["noise"],
        flags=facts["flags"],
        neighbours=neighbours,
        agrees=int(state["agrees"]),
        disagrees=int(state["disagrees"]),
        minutes=_minutes(facts, change),
        waited=_waited(state),
    )
    event = Event(
        id=event_id(place, datastream.observed_property, name, facts["onset"], kind),
        revision=facts["revision"],
        change=change,
        kind=kind,
        datastream=slot,
        station=station.id,
        observed_property=datastream.observed_property,
        onset=facts["onset"],
        peak_at=facts["peak_at"],
        detected_at=facts["detected"],
        end=facts["end"] if change in {Change.ENDED, Change.VOIDED, Change.MERGED} else None,
        peak=polarity * facts["peak"],
        background=polarity * facts["background"],
        excess=facts["peak"] - facts["background"],
        noise=facts["noise"],
        confidence=verdict.confidence,
        reasons=verdict.reasons,
        detector=name,
        neighbours=neighbours,
        wind=wind,
        upwind=upwind(station, wind, registry),
        merged_into=_episode(record, name, registry) if change is Change.MERGED else None,
        state_hash=hashlib.sha256(
            b"".join(record[part].tobytes() for part in ("stream", "event", "group"))
        ).hexdigest()[:16],
    )
    return replace(event, words=sentences(event, registry))


def _facts(record: Any, kind: Kind) -> dict[str, Any]:  # noqa: ANN401 - numpy
    """What stands in which record differs between a peak, an episode of all, and what is odd."""
    stream, state, group = record["stream"], record["event"], record["group"]
    if kind is Kind.REGIONAL:
        level = float(group["peak_background"])
        return {
            **{f: moment(group[f]) for f in ("onset", "peak_at", "detected")},
            "end": moment(group["below_since"]),
            "revision": int(group["revision"]),
            "peak": level + float(group["peak"]),
            "background": level,
            "noise": float(group["peak_noise"]),
            "flags": 0,
        }
    if int(stream["odd_count"]) > 0 and int(record["change"]) == records.ENDED and kind in {Kind.GLITCH, Kind.SENSOR}:
        return {
            "onset": moment(state["odd_since"]),
            "peak_at": moment(state["odd_since"]),
            "detected": moment(stream["at"]),
            "end": moment(stream["at"]),
            "revision": 1,
            "peak": float(state["odd_peak"]),
            "background": float(state["odd_level"]),
            "noise": float(state["odd_noise"]),
            "flags": int(state["odd_flags"]),
        }
    return {
        **{f: moment(state[f]) for f in ("onset", "peak_at", "detected")},
        "end": moment(state["below_since"] if int(record["change"]) != records.MERGED else stream["at"]),
        "revision": int(stream["revision"]),
        "peak": float(state["peak"]),
        "background": float(state["peak_background"]),
        "noise": float(state["peak_noise"]),
        "flags": int(state["flags"]),
    }


def _minutes(facts: dict[str, Any], change: Change) -> float:
    """How long it has lasted, as far as is known."""
    until = facts["peak_at"] if change in {Change.OPENED, Change.UPDATED} else facts["end"]
    return float((until - facts["onset"]).total_seconds() / 60)


def _waited(state: Any) -> float | None:  # noqa: ANN401 - numpy
    """Minutes from the one reading that made the event until its tail was known."""
    alone = state["trailing"] and state["peak_at"] == state["onset"]
    return float(state["detected"] - state["onset"]) / 60_000 if alone else None


def _episode(record: Any, name: str, registry: Registry) -> str:  # noqa: ANN401 - numpy
    """The id of the episode that the event is the beginning of."""
    datastream = registry.datastreams[int(record["slot"])]
    area = registry.stations[datastream.station].area
    return event_id(area, datastream.observed_property, name, moment(record["group"]["onset"]), Kind.REGIONAL)
