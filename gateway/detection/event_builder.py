"""Build an Event from a change that the kernels recorded, with neighbours, wind and confidence. Pure."""

import hashlib
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from gateway.detection import records
from gateway.detection.confidence import ConfidenceReason, assess_confidence
from gateway.detection.context import find_upwind_sites, neighbours_from_slots, wind_from_sums
from gateway.detection.kernels.baseline import WARM_UP_READINGS
from gateway.detection.kernels.regional import MERGE_WINDOW_MS
from gateway.detection.settings import DetectionSettings, PeakSettings
from gateway.detection.summary import summarize_event
from gateway.model.event import Event, EventChange, EventKind, Neighbours, Wind, derive_event_id
from gateway.model.registry import Registry
from gateway.model.timestamps import from_ms

_CHANGES = {
    records.OPENED: EventChange.OPENED,
    records.UPDATED: EventChange.UPDATED,
    records.ENDED: EventChange.ENDED,
    records.VOIDED: EventChange.VOIDED,
    records.MERGED: EventChange.MERGED,
}
_OPEN_REASONS = {
    records.UNDECIDED: ConfidenceReason.PERHAPS_EPISODE,
    records.AWAITED: ConfidenceReason.NEIGHBOURS_AWAITED,
}
_WIND_MARGIN = timedelta(milliseconds=MERGE_WINDOW_MS)  # an episode begins after the rise of its first station
_SETTLED_READINGS = 2 * WARM_UP_READINGS  # of a background that is not young
_KINDS = {
    records.PEAK: EventKind.PEAK,
    records.REGIONAL: EventKind.REGIONAL,
    records.GLITCH: EventKind.GLITCH,
    records.HUMIDITY: EventKind.HUMIDITY,
    records.SENSOR: EventKind.SENSOR,
}


@dataclass(frozen=True, kw_only=True)
class _EventFacts:
    """Times and sizes of one event; values have the polarity of the detector (higher is worse)."""

    onset: datetime
    peak_at: datetime
    detected_at: datetime
    end: datetime
    revision: int
    peak: float
    background: float
    noise: float
    flags: int


def build_event(record: Any, detector_name: str, settings: DetectionSettings, registry: Registry) -> Event:  # noqa: ANN401 - numpy
    """Return the event as it is after this change."""
    slot, kind = int(record["slot"]), _KINDS[int(record["kind"])]
    datastream = registry.datastreams[slot]
    station = registry.stations[datastream.station]
    facts = _extract_facts(record, kind)
    event_record = record["event"]
    location = station.area if kind is EventKind.REGIONAL else station.id
    wind = _extract_wind(event_record, facts.onset)
    risen_slots = [int(j) for j in record["risen_slots"][: int(record["named_neighbours"])]]
    neighbours = neighbours_from_slots(
        station,
        Neighbours(
            fresh=int(record["fresh_neighbours"]),
            risen=int(record["risen_neighbours"]),
            window=math.ceil(int(record["neighbour_window_ms"]) / 1_000),
        ),
        risen_slots,
        registry,
    )
    change = _CHANGES[int(record["change_code"])]
    peak_settings = settings.property[datastream.observed_property]
    confidence = assess_confidence(
        change=change,
        kind=kind,
        excess=facts.peak - facts.background,
        background=facts.background,
        noise=facts.noise,
        flags=facts.flags,
        neighbours=neighbours,
        agrees=int(event_record["twin_agreements"]),
        disagrees=int(event_record["twin_disagreements"]),
        minutes=_minutes_since_onset(facts, change),
        waited=_minutes_to_tail(event_record),
        judged=_judged_log_odds(record, kind),
        is_background_young=_is_background_young(record, facts, peak_settings),
        has_ended_without_data=bool(record["no_data"]),
        open_reason=None if record["outlier"] else _OPEN_REASONS.get(int(event_record["is_reported"])),
    )
    event = Event(
        id=derive_event_id(location, datastream.observed_property, detector_name, facts.onset, kind),
        revision=facts.revision,
        change=change,
        kind=kind,
        datastream=slot,
        station=station.id,
        observed_property=datastream.observed_property,
        onset=facts.onset,
        peak_at=facts.peak_at,
        detected_at=facts.detected_at,
        end=facts.end if change in {EventChange.ENDED, EventChange.VOIDED, EventChange.MERGED} else None,
        peak=peak_settings.polarity * facts.peak,
        background=peak_settings.polarity * facts.background,
        excess=facts.peak - facts.background,
        noise=facts.noise,
        confidence=confidence.value,
        reasons=confidence.reasons,
        detector=detector_name,
        neighbours=neighbours,
        wind=wind,
        upwind=find_upwind_sites(station, wind, registry),
        merged_into=_episode_id(record, detector_name, registry) if change is EventChange.MERGED else None,
        state_hash=_hash_state(record, kind),
    )
    return replace(event, words=summarize_event(event, registry))


def _extract_facts(record: Any, kind: EventKind) -> _EventFacts:  # noqa: ANN401 - numpy
    """Read the facts from the record that holds them: of the peak, the regional episode or the outlier."""
    if kind is EventKind.REGIONAL:
        return _episode_facts(record["group"])
    if record["outlier"]:
        event = record["event"]
        end = int(event["outlier_since"]) + int(event["outlier_ms"]) if record["no_data"] else record["stream"]["at"]
        return _outlier_facts(event, from_ms(end))
    return _peak_facts(record["stream"], record["event"], is_merged=int(record["change_code"]) == records.MERGED)


def _episode_facts(group: Any) -> _EventFacts:  # noqa: ANN401 - numpy
    background = float(group["peak_background"])
    return _EventFacts(
        onset=from_ms(group["onset"]),
        peak_at=from_ms(group["peak_at"]),
        detected_at=from_ms(group["detected_at"]),
        end=from_ms(group["below_since"]),
        revision=int(group["revision"]),
        peak=background + float(group["peak"]),
        background=background,
        noise=float(group["peak_noise"]),
        flags=0,
    )


def _outlier_facts(event: Any, end: datetime) -> _EventFacts:  # noqa: ANN401 - numpy
    return _EventFacts(
        onset=from_ms(event["outlier_since"]),
        peak_at=from_ms(event["outlier_since"]),
        detected_at=end,
        end=end,
        revision=1,
        peak=float(event["outlier_peak"]),
        background=float(event["outlier_level"]),
        noise=float(event["outlier_noise"]),
        flags=int(event["outlier_flags"]),
    )


def _peak_facts(stream: Any, event: Any, *, is_merged: bool) -> _EventFacts:  # noqa: ANN401 - numpy
    return _EventFacts(
        onset=from_ms(event["onset"]),
        peak_at=from_ms(event["peak_at"]),
        detected_at=from_ms(event["detected_at"]),
        end=from_ms(stream["at"] if is_merged else event["below_since"]),
        revision=int(stream["revision"]),
        peak=float(event["peak"]),
        background=float(event["peak_background"]),
        noise=float(event["peak_noise"]),
        flags=int(event["flags"]),
    )


def _extract_wind(event_record: Any, onset: datetime) -> Wind | None:  # noqa: ANN401 - numpy
    """Return the wind since the rise; None if the sums are those of an earlier rise."""
    if from_ms(event_record["rise_at"]) < onset - _WIND_MARGIN:
        return None
    east, north, speed = (float(event_record[f"wind_{part}"]) for part in ("east", "north", "speed"))
    return wind_from_sums(east, north, speed, int(event_record["wind_readings"]))


def _minutes_since_onset(facts: _EventFacts, change: EventChange) -> float:
    """Return the duration in minutes: until the peak while the event is open, until its end after that."""
    until = facts.peak_at if change in {EventChange.OPENED, EventChange.UPDATED} else facts.end
    return (until - facts.onset).total_seconds() / 60


def _minutes_to_tail(event_record: Any) -> float | None:  # noqa: ANN401 - numpy
    """Return the minutes from a single-reading peak until its tail was detected; None for other events."""
    is_single_reading = event_record["confirmed_by_tail"] and event_record["peak_at"] == event_record["onset"]
    return float(event_record["detected_at"] - event_record["onset"]) / 60_000 if is_single_reading else None


def _judged_log_odds(record: Any, kind: EventKind) -> float | None:  # noqa: ANN401 - numpy
    """Return the log odds that the judge gave; None for events of a group, outliers and streams without a judge."""
    log_odds = int(record["event"]["log_odds"])
    is_judged = kind is not EventKind.REGIONAL and not record["outlier"] and log_odds != records.NOT_JUDGED
    return log_odds / 1_000 if is_judged else None


def _is_background_young(record: Any, facts: _EventFacts, settings: PeakSettings) -> bool:  # noqa: ANN401 - numpy
    """Whether the background began so shortly before the event that few readings or minutes support it."""
    stream = record["stream"]
    age_minutes = (facts.onset - from_ms(stream["first_at"])).total_seconds() / 60
    readings_before = int(stream["count"]) - int(record["event"]["readings"])
    is_settling = age_minutes < max(settings.background_minutes, settings.noise_minutes)
    return is_settling or readings_before < _SETTLED_READINGS


def _hash_state(record: Any, kind: EventKind) -> str:  # noqa: ANN401 - numpy
    """Return the hash of the state of the detector at this change.

    After a silence it is only the state of what fell silent, and `silent_at` never belongs to it: the moment at which
    a silence is noticed does not matter.
    """
    group = record["group"].tobytes()[: records.GROUP.fields["silent_at"][1]]  # type: ignore[index]
    stream, event = record["stream"].tobytes(), record["event"].tobytes()
    parts = (stream, event, group)
    if record["no_data"]:
        parts = (group, b"", b"") if kind is EventKind.REGIONAL else (stream, event, b"")
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


def _episode_id(record: Any, detector_name: str, registry: Registry) -> str:  # noqa: ANN401 - numpy
    """Return the id of the episode into which the event was merged."""
    datastream = registry.datastreams[int(record["slot"])]
    area = registry.stations[datastream.station].area
    return derive_event_id(
        area, datastream.observed_property, detector_name, from_ms(record["group"]["onset"]), EventKind.REGIONAL
    )
