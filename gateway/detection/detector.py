"""Peaks in datastreams, as values: states and rows in, new states and events out.

Rows are taken strictly in their order, so that splitting a stream anywhere, or restarting from saved
states, gives the same events. The given states are never changed: a caller whose transaction failed
still has them.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.detection.event_builder import build_event
from gateway.detection.judge import hash_judge, load_judge
from gateway.detection.kernels.corroboration import CALM_SPEED
from gateway.detection.kernels.detect import detect_rows
from gateway.detection.kernels.gaps import MIN_SILENCE_MS, SILENCE_GAPS, end_silent_events
from gateway.detection.neighbours import NeighbourGroups, build_neighbour_groups
from gateway.detection.records import (
    EVENT,
    GROUP,
    PARAMETERS,
    STREAM,
    WIND,
    KernelRows,
    StateArrays,
    allocate_aligned,
    allocate_changes,
    copy_records,
    view_bytes,
)
from gateway.detection.settings import DetectionSettings, JudgeSettings, PeakSettings, encode_parameters
from gateway.model.event import Event
from gateway.model.observation import ObservationBatch, SlotArray
from gateway.model.registry import ObservedProperty, Registry

_VERSION = 8
_TRAINED_NOISE = PeakSettings().noise_absolute  # of PM2.5, whose candidates trained the judge
_CHUNK_ROWS = 1 << 15  # rows per call of the kernel; bounds the memory for changes


@dataclass(frozen=True, kw_only=True)
class DetectorState:
    """State of the detector (see `records`), and its groups of neighbours."""

    arrays: StateArrays
    neighbour_groups: NeighbourGroups

    @property
    def streams(self) -> NDArray[np.void]:
        """(m,) STREAM."""
        return self.arrays.streams

    def copy(self) -> "DetectorState":
        """Return a copy that shares no memory."""
        return replace(self, arrays=StateArrays(*(copy_records(records) for records in self.arrays)))


class Detector:
    """The peak detector with its settings. Events carry `name`: name@version#hash of the settings."""

    def __init__(self, settings: DetectionSettings) -> None:
        self._settings = settings
        self._judge = load_judge()
        self._parameter_cache: WeakKeyDictionary[NeighbourGroups, NDArray[np.void]] = WeakKeyDictionary()
        self.parameters_json = encode_parameters(settings, hash_judge())
        self.name = f"peak@{_VERSION}#{hashlib.sha256(self.parameters_json.encode()).hexdigest()[:8]}"

    def initial(self, registry: Registry) -> DetectorState:
        """Return the state without any history."""
        neighbour_groups = build_neighbour_groups(registry)
        return DetectorState(
            arrays=StateArrays(
                streams=allocate_aligned(len(registry.datastreams), STREAM),
                events=allocate_aligned(len(registry.datastreams), EVENT),
                groups=allocate_aligned(len(neighbour_groups.offsets) - 1, GROUP),
                winds=allocate_aligned(len(neighbour_groups.areas), WIND),
            ),
            neighbour_groups=neighbour_groups,
        )

    def grow(self, states: DetectorState, registry: Registry) -> DetectorState:
        """Return the state for a newer registry; new datastreams start without history."""
        after, before, count = self.initial(registry), states.arrays, len(states.streams)
        after.arrays.streams[:count], after.arrays.events[:count] = before.streams, before.events
        group, old_group = after.neighbour_groups.group_of[:count], states.neighbour_groups.group_of
        # a group that was split or joined, or an area that took over a station, gets the latest stored state
        _assign_latest(after.arrays.groups, group, before.groups[old_group], ("at", "reading_count"))
        _assign_latest(
            after.arrays.winds,
            after.neighbour_groups.area_of[group],
            before.winds[states.neighbour_groups.area_of[old_group]],
            ("at",),
        )
        return after

    def dump(self, states: DetectorState, slots: SlotArray) -> NDArray[np.uint8]:
        """Return the states of these slots for the database, shape (slots, bytes).

        Each has the states of its group and its area.
        """
        group = states.neighbour_groups.group_of[slots]
        positions = slots, slots, group, states.neighbour_groups.area_of[group]
        parts = [view_bytes(records)[position] for records, position in zip(states.arrays, positions, strict=True)]
        return np.concatenate(parts, axis=1)

    def load(self, registry: Registry, saved: Mapping[int, bytes]) -> DetectorState:
        """Return the state from stored bytes; a datastream without bytes starts fresh, a group gets the latest."""
        states = self.initial(registry)
        streams, events, groups, winds = states.arrays
        for slot, state in saved.items():
            group_number = states.neighbour_groups.group_of[slot]
            area = states.neighbour_groups.area_of[group_number]
            stream, event, group, wind = (np.frombuffer(part, kind)[0] for kind, part in _split_state(state))
            streams[slot] = stream
            events[slot] = event
            if (group["reading_count"], group["at"]) >= (
                groups[group_number]["reading_count"],
                groups[group_number]["at"],
            ):
                groups[group_number] = group
            if wind["at"] >= winds[area]["at"]:
                winds[area] = wind
        return states

    def detect(
        self, states: DetectorState, batch: ObservationBatch, registry: Registry
    ) -> tuple[DetectorState, list[Event]]:
        """Return events that these rows open, change or end; late rows are skipped."""
        after = states.copy()
        rows = batch[~batch.late] if batch.late.any() else batch
        events = []
        for begin in range(0, len(rows), _CHUNK_ROWS):
            events += self._detect_chunk(after, rows[begin : begin + _CHUNK_ROWS], registry)
        return after, events

    def _detect_chunk(self, states: DetectorState, batch: ObservationBatch, registry: Registry) -> list[Event]:
        """Update the state in place."""
        changes = allocate_changes(len(batch), len(states.streams))
        count = self.advance(states, rows_from_batch(batch), changes)
        return [build_event(change, self.name, self._settings, registry) for change in changes[:count]]

    def end_silent_events(
        self, states: DetectorState, now_ms: int, registry: Registry
    ) -> tuple[DetectorState, list[Event]]:
        """End the open events of datastreams that are silent at `now_ms` (ms UTC); only live detection needs it.

        The next readings would end them at the same time with the same revision.
        """
        if not has_silent_events(states.arrays, now_ms):
            return states, []
        after = states.copy()
        changes = allocate_changes(0, len(after.streams))
        count = end_silent_events(after.arrays, after.neighbour_groups.topology, now_ms, changes)
        return after, [build_event(change, self.name, self._settings, registry) for change in changes[:count]]

    def advance(self, states: DetectorState, rows: KernelRows, changes: NDArray[np.void]) -> int:
        """Update the state in place and fill `changes`, of `allocate_changes`; return their number."""
        return int(
            detect_rows(
                states.arrays,
                states.neighbour_groups.topology,
                self.parameters_for(states.neighbour_groups),
                self._judge,
                rows,
                changes,
            )
        )

    def parameters_for(self, neighbour_groups: NeighbourGroups) -> NDArray[np.void]:
        """Return two PARAMETERS of each observed property, as `detect_rows` wants them."""
        parameters = self._parameter_cache.get(neighbour_groups)
        if parameters is None:
            watched = self._settings.enabled_properties()
            parameter_rows = [
                _parameter_row(watched.get(observed_property.id), observed_property, is_coarse=is_coarse)
                for observed_property in neighbour_groups.properties
                for is_coarse in (False, True)
            ]
            parameters = self._parameter_cache[neighbour_groups] = np.array(parameter_rows, PARAMETERS)
        return parameters


def has_silent_events(arrays: StateArrays, now_ms: int) -> bool:
    """Whether a datastream with an open event, or a group with an open episode, is silent at `now_ms`."""
    limits = np.maximum(MIN_SILENCE_MS, SILENCE_GAPS * arrays.streams["gap_ms"].astype(np.int64))
    is_open, has_episode = arrays.streams["revision"] > 0, arrays.groups["revision"] > 0
    silent_at = (arrays.streams["at"] + limits)[is_open]
    group_silent_at = arrays.groups["at"][has_episode] + limits[arrays.groups["slot"][has_episode]]
    return bool((silent_at < now_ms).any() or (group_silent_at < now_ms).any())


def _assign_latest(
    records: NDArray[np.void], positions: NDArray[np.int32], values: NDArray[np.void], order_by: tuple[str, ...]
) -> None:
    """Assign `records[places[i]] = given[i]`, ordered by the named fields, so that the latest one remains."""
    order = np.lexsort([values[name] for name in order_by])
    records[positions[order]] = values[order]


def _split_state(state: bytes) -> Iterator[tuple[np.dtype[np.void], bytes]]:
    """Split the bytes that `dump` joined."""
    begin = 0
    for kind in (STREAM, EVENT, GROUP, WIND):
        yield kind, state[begin : begin + kind.itemsize]
        begin += kind.itemsize


def rows_from_batch(batch: ObservationBatch) -> KernelRows:
    """Return the columns that the kernel reads."""
    return KernelRows(
        slots=batch.datastream,
        at=batch.observed_at,
        value=batch.value,
        flags=batch.flags,
        wind=_wind_vectors(batch),
    )


def _wind_vectors(rows: ObservationBatch) -> NDArray[np.float32]:
    """Return (n, 3): unit vector (east, north) that the wind comes from, and m/s; (0, 3) without wind data.

    In calm air the vector is zero, as the direction of a vane then means nothing. Without a speed all three are NaN, as
    calm air cannot be excluded.
    """
    if not np.isfinite(rows.wind_direction).any():
        return np.zeros((0, 3), np.float32)
    angle = np.radians(rows.wind_direction)
    is_blowing = np.where(rows.wind_speed >= CALM_SPEED, 1.0, np.where(rows.wind_speed >= 0, 0.0, np.nan))
    vectors = [is_blowing * np.sin(angle), is_blowing * np.cos(angle), rows.wind_speed]
    return np.ascontiguousarray(np.stack(vectors, axis=1), np.float32)


def _parameter_row(
    settings: PeakSettings | None, observed_property: ObservedProperty, *, is_coarse: bool
) -> tuple[float, ...]:
    """Return one PARAMETERS; `is_coarse`: for readings that the judge may judge."""
    if settings is None:
        return tuple(float(name != "on") for name in PARAMETERS.names or ())
    judge = settings.judge if is_coarse else None
    light, moderate, severe, extreme = observed_property.severity_levels or (math.inf,) * 4
    derived = {
        "on": 1.0,
        "background_rate": 1 / settings.background_minutes,
        "noise_rate": 1 / settings.noise_minutes,
        "settling_ms": 60_000 * max(settings.background_minutes, settings.noise_minutes),
        "cusum_rate": 60 / settings.unit_seconds,
        "fast_cusum_rate": 60 / settings.quick_seconds,
        "hold": settings.hold / (judge or settings).threshold,
        "light": light,
        "moderate": moderate,
        "severe": severe,
        "extreme": extreme,
        "event_noise": settings.noise_absolute,
        "smallest_event": settings.smallest,
        "judged": 0.0,
        "judge_scale": _TRAINED_NOISE / settings.noise_absolute,
        "judge_limit": 0.0,
        "judge_limit_large": 0.0,
        "judge_limit_sure": 0.0,
        "false_rate": 0.0,
    }
    values = {**msgspec.structs.asdict(settings), **derived, **(_judge_parameters(judge, settings) if judge else {})}
    return tuple(float(values[name]) for name in PARAMETERS.names or ())


def _judge_parameters(judge: JudgeSettings, settings: PeakSettings) -> dict[str, float]:
    return {
        "drift": judge.drift,
        "threshold": judge.threshold,
        "clip": judge.clip,
        "noise_absolute": judge.noise_share * settings.noise_absolute,
        "smallest": judge.smallest_share * settings.smallest,
        "judged": 1.0,
        "judge_limit": _log_odds(judge.least_probability),
        "judge_limit_large": _log_odds(judge.least_probability_large),
        "judge_limit_sure": _log_odds(judge.least_probability_sure),
        "false_rate": judge.false_alarms,
    }


def _log_odds(probability: float) -> float:
    """Return log odds, rounded: the last bit of a logarithm differs between machines."""
    return round(math.log(probability / (1 - probability)), 9)
