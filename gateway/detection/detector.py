"""Peaks in datastreams, as values: states and rows in, states and events out."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.detection.kernels import CHANGE, PARAMETERS, STATE, detect_rows
from gateway.detection.settings import DetectionSettings
from gateway.event import Change, Event, event_id
from gateway.observation import ObservationBatch
from gateway.registry import Registry

States = NDArray[np.void]
_CHANGES = {1: Change.OPENED, 2: Change.UPDATED, 3: Change.ENDED}


class Detector:
    def __init__(self, settings: DetectionSettings) -> None:
        self._settings = settings
        digest = hashlib.sha256(msgspec.json.encode(settings, order="deterministic")).hexdigest()[:8]
        self.name = f"peak@1#{digest}"

    def initial(self, registry: Registry) -> States:
        return np.zeros(len(registry.datastreams), STATE)

    def grow(self, states: States, registry: Registry) -> States:
        return np.concatenate([states, np.zeros(len(registry.datastreams) - len(states), STATE)])

    def dump(self, states: States, slots: Sequence[int]) -> list[bytes]:
        return [states[slot].tobytes() for slot in slots]

    def load(self, registry: Registry, saved: Mapping[int, bytes]) -> States:
        states = self.initial(registry)
        for slot, state in saved.items():
            states[slot] = np.frombuffer(state, STATE)[0]
        return states

    def detect(self, states: States, batch: ObservationBatch, registry: Registry) -> tuple[States, list[Event]]:
        after = states.copy()
        rows = batch[~batch.late]
        changes = np.zeros(2 * len(rows) + 1, CHANGE)
        n = detect_rows(after, self._parameters(registry), rows.datastream, rows.observed_at, rows.value, changes)
        return after, [self._event(c, rows, registry) for c in changes[:n]]

    def _parameters(self, registry):
        def one(name):
            s = self._settings.property.get(name)
            return [np.nan] * len(PARAMETERS) if s is None else [getattr(s, p) for p in PARAMETERS]

        return np.array([one(d.observed_property) for d in registry.datastreams], float).reshape(-1, len(PARAMETERS))

    def _event(self, change, rows, registry) -> Event:
        state = change["state"]
        d = registry.datastreams[int(rows.datastream[change["row"]])]
        onset = _time(state["onset"])
        sign = self._settings.property[d.observed_property].polarity
        kind = _CHANGES[int(change["change"])]
        excess = float(state["peak"] - state["peak_background"])
        snr = excess / float(change["noise"])
        return Event(
            id=event_id(d.station, d.observed_property, self.name, onset),
            revision=int(state["revision"]),
            change=kind,
            datastream=d.slot,
            station=d.station,
            observed_property=d.observed_property,
            onset=onset,
            peak_at=_time(state["peak_at"]),
            detected_at=_time(state["detected"]),
            end=_time(rows.observed_at[change["row"]]) if kind is Change.ENDED else None,
            peak=sign * float(state["peak"]),
            background=sign * float(state["peak_background"]),
            excess=excess,
            noise=float(change["noise"]),
            confidence=float(min(0.99, snr / (snr + 5))),
            reasons=(),
            detector=self.name,
        )


def _time(ms) -> datetime:
    return datetime.fromtimestamp(int(ms) / 1000, UTC)
