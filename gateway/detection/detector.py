"""Peaks in datastreams, as values: states and rows in, new states and events out.

Rows are taken strictly in their order, so that splitting a stream anywhere, or restarting from saved
states, gives the same events. The given states are never changed: a caller whose transaction failed
still has them.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.detection.event_builder import told
from gateway.detection.kernels.detect import detect_rows
from gateway.detection.neighbours import Neighbourhoods, neighbourhoods
from gateway.detection.records import (
    CHANGE,
    EVENT,
    GROUP,
    PARAMETERS,
    STREAM,
    WIND,
    Memory,
    Rows,
    aligned,
    bytes_of,
    copied,
)
from gateway.detection.settings import DetectionSettings, PeakSettings
from gateway.model.event import Event
from gateway.model.observation import ObservationBatch
from gateway.model.registry import ObservedProperty, Registry

_VERSION = 5
_CHUNK = 1 << 15  # rows a call of the kernel: bounds the memory for changes


@dataclass(frozen=True, kw_only=True)
class States:
    """All that the detector remembers (see `layout`), and who is where."""

    memory: Memory
    around: Neighbourhoods

    @property
    def streams(self) -> NDArray[np.void]:
        """(m,) STREAM: what every reading touches."""
        return self.memory.streams

    def copy(self) -> "States":
        """The same in memory of its own."""
        return replace(self, memory=Memory(*(copied(records) for records in self.memory)))


class Detector:
    """The peak detector with its settings. `name` is what events carry: name@version#hash of the parameters."""

    def __init__(self, settings: DetectionSettings) -> None:
        self._settings = settings
        self._parameters: WeakKeyDictionary[Neighbourhoods, NDArray[np.void]] = WeakKeyDictionary()
        self.parameters_text = msgspec.json.encode(settings, order="deterministic").decode()
        self.name = f"peak@{_VERSION}#{hashlib.sha256(self.parameters_text.encode()).hexdigest()[:8]}"

    def initial(self, registry: Registry) -> States:
        """States of datastreams that nothing is known of."""
        around = neighbourhoods(registry)
        return States(
            memory=Memory(
                streams=aligned(len(registry.datastreams), STREAM),
                events=aligned(len(registry.datastreams), EVENT),
                groups=aligned(len(around.begins) - 1, GROUP),
                winds=aligned(len(around.areas), WIND),
            ),
            around=around,
        )

    def grow(self, states: States, registry: Registry) -> States:
        """The same states, and fresh ones for the datastreams that came."""
        after, before, count = self.initial(registry), states.memory, len(states.streams)
        after.memory.streams[:count], after.memory.events[:count] = before.streams, before.events
        group, was = after.around.group_of[:count], states.around.group_of
        # a group that was split or joined, an area that took over a station: as they were kept last
        _keep_last(after.memory.groups, group, before.groups[was], ("at", "turn"))
        _keep_last(after.memory.winds, after.around.area_of[group], before.winds[states.around.area_of[was]], ("at",))
        return after

    def dump(self, states: States, slots: Sequence[int]) -> list[bytes]:
        """The states of these slots, each with its group's and its area's, for the database."""
        at = np.asarray(slots, np.int32)
        group = states.around.group_of[at]
        places = at, at, group, states.around.area_of[group]
        parts = [bytes_of(records)[place] for records, place in zip(states.memory, places, strict=True)]
        return [row.tobytes() for row in np.concatenate(parts, axis=1)]

    def load(self, registry: Registry, saved: Mapping[int, bytes]) -> States:
        """States from the database; a datastream without one starts fresh, a group is as it was kept last."""
        states = self.initial(registry)
        streams, events, groups, winds = states.memory
        for slot, state in saved.items():
            number = states.around.group_of[slot]
            area = states.around.area_of[number]
            stream, event, group, wind = (np.frombuffer(part, kind)[0] for kind, part in _parts(state))
            streams[slot] = stream
            events[slot] = event
            if (group["turn"], group["at"]) >= (groups[number]["turn"], groups[number]["at"]):
                groups[number] = group
            if wind["at"] >= winds[area]["at"]:
                winds[area] = wind
        return states

    def detect(self, states: States, batch: ObservationBatch, registry: Registry) -> tuple[States, list[Event]]:
        """Events that these rows open, change or end. Late rows are passed over."""
        after = states.copy()
        rows = batch[~batch.late] if batch.late.any() else batch
        events = []
        for begin in range(0, len(rows), _CHUNK):
            events += self._detect(after, rows[begin : begin + _CHUNK], registry)
        return after, events

    def _detect(self, states: States, batch: ObservationBatch, registry: Registry) -> list[Event]:
        """Moves the states on in place."""
        changes = np.empty(4 * len(batch) + len(states.streams), CHANGE)  # tens of MB, of which nearly nothing is used
        count = self.advance(states, rows_of(batch), changes)
        return [told(change, self.name, self._settings, registry) for change in changes[:count]]

    def advance(self, states: States, rows: Rows, changes: NDArray[np.void]) -> int:
        """Move the states on in place; the first so many of `changes`, (4 n + m,) CHANGE, are what happened."""
        return int(detect_rows(states.memory, states.around.places, self.parameters(states.around), rows, changes))

    def parameters(self, around: Neighbourhoods) -> NDArray[np.void]:
        """Of each observed property, PARAMETERS."""
        found = self._parameters.get(around)
        if found is None:
            watched = self._settings.watched()
            chosen = [_record(watched.get(one.id), one) for one in around.properties]
            found = self._parameters[around] = np.array(chosen, PARAMETERS)
        return found


def _keep_last(
    records: NDArray[np.void], places: NDArray[np.int32], given: NDArray[np.void], by: tuple[str, ...]
) -> None:
    """`records[places[i]] = given[i]` in the order of the fields named; the first of them matters least."""
    order = np.lexsort([given[name] for name in by])
    records[places[order]] = given[order]


def _parts(state: bytes) -> Iterator[tuple[np.dtype[np.void], bytes]]:
    """What `dump` put together."""
    begin = 0
    for kind in (STREAM, EVENT, GROUP, WIND):
        yield kind, state[begin : begin + kind.itemsize]
        begin += kind.itemsize


def rows_of(batch: ObservationBatch) -> Rows:
    """The columns that the kernel reads."""
    return Rows(
        slots=batch.datastream,
        at=batch.observed_at,
        value=batch.value,
        flags=batch.flags,
        wind=_wind(batch),
    )


def _wind(rows: ObservationBatch) -> NDArray[np.float32]:
    """(n, 3): where the wind comes from, east and north of a unit vector, and m/s; (0, 3) where nobody knows."""
    if not np.isfinite(rows.wind_direction).any():
        return np.zeros((0, 3), np.float32)
    angle = np.radians(rows.wind_direction)
    speed = np.where(np.isfinite(rows.wind_speed), rows.wind_speed, 1.0)
    return np.ascontiguousarray(np.stack([np.sin(angle), np.cos(angle), speed], axis=1), np.float32)


def _record(settings: PeakSettings | None, observed_property: ObservedProperty) -> tuple[float, ...]:
    if settings is None:
        return tuple(float(name != "on") for name in PARAMETERS.names or ())
    _, moderate, severe, extreme = observed_property.severity or (math.inf,) * 4
    derived = {
        "on": 1.0,
        "background_rate": 1 / settings.background_minutes,
        "noise_rate": 1 / settings.noise_minutes,
        "settled": 60_000 * max(settings.background_minutes, settings.noise_minutes),
        "unit_rate": 60 / settings.unit_seconds,
        "sure_rate": 60 / settings.sure_seconds,
        "hold": settings.hold / settings.threshold,
        "moderate": moderate,
        "severe": severe,
        "extreme": extreme,
    }
    given = {**msgspec.structs.asdict(settings), **derived}
    return tuple(float(given[name]) for name in PARAMETERS.names or ())
