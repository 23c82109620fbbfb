"""Peaks in datastreams, as values: states and rows in, new states and events out.

Rows are taken strictly in their order, so that splitting a stream anywhere, or restarting from saved
states, gives the same events. The given states are never changed: a caller whose transaction failed
still has them.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.detection.kernels import detect_rows
from gateway.detection.layout import CHANGE, GROUP, PARAMETERS, STATE, WIND
from gateway.detection.neighbours import Neighbourhoods, neighbourhoods
from gateway.detection.settings import DetectionSettings, PeakSettings
from gateway.detection.telling import told
from gateway.event import Event
from gateway.observation import ObservationBatch
from gateway.registry import Registry

_VERSION = 2
_CHUNK = 1 << 15  # rows a call of the kernel: bounds the memory for changes


@dataclass(frozen=True, kw_only=True)
class States:
    """All that the detector remembers: streams (m,) STATE, groups (k,) GROUP, winds (areas,) WIND; who is where."""

    streams: NDArray[np.void]
    groups: NDArray[np.void]
    winds: NDArray[np.void]
    around: Neighbourhoods


class Detector:
    """The peak detector with its settings. `name` is what events carry: name@version#hash of the parameters."""

    def __init__(self, settings: DetectionSettings) -> None:
        self._settings = settings
        self._parameters: tuple[Neighbourhoods, NDArray[np.void]] | None = None  # as worked out last
        self.parameters_text = msgspec.json.encode(settings, order="deterministic").decode()
        self.name = f"peak@{_VERSION}#{hashlib.sha256(self.parameters_text.encode()).hexdigest()[:8]}"

    def initial(self, registry: Registry) -> States:
        """States of datastreams that nothing is known of."""
        around = neighbourhoods(registry)
        return States(
            streams=np.zeros(len(registry.datastreams), STATE),
            groups=np.zeros(len(around.begins) - 1, GROUP),
            winds=np.zeros(len(around.areas), WIND),
            around=around,
        )

    def grow(self, states: States, registry: Registry) -> States:
        """The same states, and fresh ones for the datastreams that came."""
        slots = range(len(states.streams))
        return self.load(registry, dict(zip(slots, self.dump(states, slots), strict=True)))

    def dump(self, states: States, slots: Sequence[int]) -> list[bytes]:
        """The states of these slots, each with its group's and its area's, for the database."""
        return [_bytes(states, slot) for slot in slots]

    def load(self, registry: Registry, saved: Mapping[int, bytes]) -> States:
        """States from the database; a datastream without one starts fresh, a group is as it was kept last."""
        states = self.initial(registry)
        for slot, state in saved.items():
            number = states.around.group_of[slot]
            area = states.around.area_of[number]
            states.streams[slot] = np.frombuffer(state, STATE, 1)[0]
            group = np.frombuffer(state, GROUP, 1, STATE.itemsize)[0]
            wind = np.frombuffer(state, WIND, 1, STATE.itemsize + GROUP.itemsize)[0]
            if (group["turn"], group["at"]) >= (states.groups[number]["turn"], states.groups[number]["at"]):
                states.groups[number] = group
            if wind["at"] >= states.winds[area]["at"]:
                states.winds[area] = wind
        return states

    def detect(self, states: States, batch: ObservationBatch, registry: Registry) -> tuple[States, list[Event]]:
        """Events that these rows open, change or end. Late rows are passed over."""
        after = replace(states, streams=states.streams.copy(), groups=states.groups.copy(), winds=states.winds.copy())
        rows = batch[~batch.late] if batch.late.any() else batch
        events = []
        for begin in range(0, len(rows), _CHUNK):
            events += self._detect(after, rows[begin : begin + _CHUNK], registry)
        return after, events

    def _detect(self, states: States, rows: ObservationBatch, registry: Registry) -> list[Event]:
        """Moves the states on in place."""
        around = states.around
        changes = np.zeros(4 * len(rows) + len(states.streams), CHANGE)
        count = detect_rows(
            states.streams,
            states.groups,
            states.winds,
            self.parameters(around),
            around.property_of,
            around.group_of,
            around.members,
            around.begins,
            around.area_of,
            around.twin_of,
            rows.datastream,
            rows.observed_at,
            rows.value,
            rows.flags,
            _wind(rows),
            changes,
        )
        return [told(change, self.name, self._settings, registry) for change in changes[:count]]

    def parameters(self, around: Neighbourhoods) -> NDArray[np.void]:
        """Of each observed property, PARAMETERS."""
        if self._parameters is None or self._parameters[0] is not around:
            chosen = [_record(self._settings.property.get(name)) for name in around.properties]
            self._parameters = around, np.array(chosen, PARAMETERS)
        return self._parameters[1]


def _bytes(states: States, slot: int) -> bytes:
    number = states.around.group_of[slot]
    group, wind = states.groups[number], states.winds[states.around.area_of[number]]
    return bytes(states.streams[slot].tobytes() + group.tobytes() + wind.tobytes())


def _wind(rows: ObservationBatch) -> NDArray[np.float32]:
    """(n, 3): where the wind comes from, east and north of a unit vector, and m/s; (0, 3) where nobody knows."""
    if not np.isfinite(rows.wind_direction).any():
        return np.zeros((0, 3), np.float32)
    angle = np.radians(rows.wind_direction)
    speed = np.where(np.isfinite(rows.wind_speed), rows.wind_speed, 1.0)
    return np.ascontiguousarray(np.stack([np.sin(angle), np.cos(angle), speed], axis=1), np.float32)


def _record(settings: PeakSettings | None) -> tuple[float, ...]:
    if settings is None:
        return tuple(float(name != "on") for name in PARAMETERS.names or ())
    derived = {
        "on": 1.0,
        "background_rate": 1 / settings.background_minutes,
        "noise_rate": 1 / settings.noise_minutes,
        "unit_rate": 60 / settings.unit_seconds,
        "sure_rate": 60 / settings.sure_seconds,
        "hold": settings.hold / settings.threshold,
    }
    given = {**msgspec.structs.asdict(settings), **derived}
    return tuple(float(given[name]) for name in PARAMETERS.names or ())
