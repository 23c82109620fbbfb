"""Peaks in datastreams, as values: states and rows in, new states and events out.

Rows are taken strictly in their order, so that splitting a stream anywhere, or restarting from saved
states, gives the same events. The given states are never changed: a caller whose transaction failed
still has them.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_agent.wire import Flag
from gateway.detection.confidence import judge
from gateway.detection.kernels import CHANGE, GROUP, PARAMETERS, STATE, detect_rows
from gateway.detection.neighbours import Neighbourhoods, neighbourhoods
from gateway.detection.settings import DetectionSettings, PeakSettings
from gateway.event import Change, Event, event_id
from gateway.observation import ObservationBatch
from gateway.registry import Registry


@dataclass(frozen=True, kw_only=True)
class States:
    """Everything the detector remembers: streams (m,) STATE, groups (k,) GROUP; group_of (m,) is the group of each."""

    streams: NDArray[np.void]
    groups: NDArray[np.void]
    group_of: NDArray[np.int32]


_CHANGES = {1: Change.OPENED, 2: Change.UPDATED, 3: Change.ENDED}
_VERSION = 1


class Detector:
    """The peak detector with its settings. `name` is what events carry: name@version#hash of the parameters."""

    def __init__(self, settings: DetectionSettings) -> None:
        self._settings = settings
        self._parameters: tuple[Neighbourhoods, NDArray[np.void]] | None = None  # as worked out last
        text = msgspec.json.encode(settings, order="deterministic")
        self.name = f"peak@{_VERSION}#{hashlib.sha256(text).hexdigest()[:8]}"

    def initial(self, registry: Registry) -> States:
        """States of datastreams that nothing is known of."""
        around = neighbourhoods(registry)
        groups = np.zeros(len(around.begins) - 1, GROUP)
        return States(streams=np.zeros(len(registry.datastreams), STATE), groups=groups, group_of=around.group_of)

    def grow(self, states: States, registry: Registry) -> States:
        """The same states, and fresh ones for the datastreams that came."""
        slots = range(len(states.streams))
        return self.load(registry, dict(zip(slots, self.dump(states, slots), strict=True)))

    def dump(self, states: States, slots: Sequence[int]) -> list[bytes]:
        """The states of these slots, each with its group's, for the database."""
        return [states.streams[slot].tobytes() + states.groups[states.group_of[slot]].tobytes() for slot in slots]

    def load(self, registry: Registry, saved: Mapping[int, bytes]) -> States:
        """States from the database; a datastream without one starts fresh, a group is as it was kept last."""
        states = self.initial(registry)
        around = neighbourhoods(registry)
        for slot, state in saved.items():
            states.streams[slot] = np.frombuffer(state[: STATE.itemsize], STATE)[0]
            group = np.frombuffer(state[STATE.itemsize :], GROUP)[0]
            if group["turn"] >= states.groups[around.group_of[slot]]["turn"]:
                states.groups[around.group_of[slot]] = group
        return states

    def detect(self, states: States, batch: ObservationBatch, registry: Registry) -> tuple[States, list[Event]]:
        """Events that these rows open, change or end. Late rows, and values that say nothing, are passed over."""
        after = replace(states, streams=states.streams.copy(), groups=states.groups.copy())
        rows = batch[~batch.late & ((batch.flags & _MEANINGLESS) == 0)]
        changes = np.zeros(len(rows), CHANGE)
        around = neighbourhoods(registry)
        count = detect_rows(
            after.streams,
            after.groups,
            self.parameters(around),
            around.group_of,
            around.members,
            around.begins,
            rows.datastream,
            rows.observed_at,
            rows.value,
            changes,
        )
        return after, [self._event(change, rows, registry) for change in changes[:count]]

    def parameters(self, around: Neighbourhoods) -> NDArray[np.void]:
        """Of each group, (k,) PARAMETERS."""
        if self._parameters is None or self._parameters[0] is not around:
            chosen = [_record(self._settings.property.get(name)) for name in around.properties]
            self._parameters = around, np.array(chosen, PARAMETERS)
        return self._parameters[1]

    def _event(self, change: Any, rows: ObservationBatch, registry: Registry) -> Event:  # noqa: ANN401 - a numpy record
        state, row, kind = change["state"], int(change["row"]), _CHANGES[int(change["change"])]
        datastream = registry.datastreams[int(rows.datastream[row])]
        polarity = self._settings.property[datastream.observed_property].polarity
        onset, excess = _time(state["onset"]), float(state["peak"] - state["peak_background"])
        background, noise = float(state["peak_background"]), float(state["peak_noise"])
        verdict = judge(excess=excess, background=background, noise=noise, flags=int(rows.flags[row]))
        return Event(
            id=event_id(datastream.station, datastream.observed_property, self.name, onset),
            revision=int(state["revision"]),
            change=kind,
            datastream=datastream.slot,
            station=datastream.station,
            observed_property=datastream.observed_property,
            onset=onset,
            peak_at=_time(state["peak_at"]),
            detected_at=_time(state["detected"]),
            end=_time(state["below_since"]) if kind is Change.ENDED else None,
            peak=polarity * float(state["peak"]),
            background=polarity * background,
            excess=excess,
            noise=noise,
            confidence=verdict.confidence,
            reasons=verdict.reasons,
            detector=self.name,
        )


# A value with one of these flags says nothing of the air. The raw value is stored all the same.
_MEANINGLESS = int(Flag.WARM_UP | Flag.CLEANING | Flag.STALE | Flag.SENSOR_FAULT | Flag.OUT_OF_RANGE | Flag.MAINTENANCE)


def _record(settings: PeakSettings | None) -> tuple[float, ...]:
    if settings is None:
        return tuple(float(name != "on") for name in PARAMETERS.names or ())
    rates = {
        "background_rate": 1 / settings.background_minutes,
        "noise_rate": 1 / settings.noise_minutes,
        "unit_rate": 60 / settings.unit_seconds,
        "sure_rate": 60 / settings.sure_seconds,
    }
    given = {"on": 1.0, **rates, **msgspec.structs.asdict(settings)}
    return tuple(float(given[name]) for name in PARAMETERS.names or ())


def _time(milliseconds: Any) -> datetime:  # noqa: ANN401 - a numpy integer
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
