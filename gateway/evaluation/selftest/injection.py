"""One hour of an area, as it was and in copies with synthetic peaks, through the live detector's settings. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.detection.analyzer import Memory, Senses
from gateway.detection.settings import DetectionSettings
from gateway.evaluation.selftest.injection_plan import HOUR, Peak, relative
from gateway.evaluation.selftest.outcome import Exposure, Outcome, Verdict
from gateway.model.event import Event, Kind
from gateway.model.observation import ObservationBatch
from gateway.model.timestamps import moment

_STEPS = np.array([1, 2, 5, 10, 15, 20, 30, 60, 120, 150, 300, 600, 900, 1_800, 3_600])  # s
_BEFORE = timedelta(minutes=10)  # an event this shortly before hides a peak


@dataclass(kw_only=True)
class _Copy:
    memory: Memory
    peaks: list[Peak] = field(default_factory=list)
    touched: bool = False  # until then it is as the original
    events: dict[str, Event] = field(default_factory=dict)


class Trial:
    """Takes the hour's rows in their order, as many at a time as one likes, then tells the verdicts."""

    def __init__(
        self, senses: Senses, settings: DetectionSettings, memory: Memory, *, hour: int, peaks: Sequence[Peak]
    ) -> None:
        self._senses, self._settings, self._hour = senses, settings, hour
        self._original = _Copy(memory=memory)
        self._copies: dict[int, _Copy] = {}
        for peak in peaks:
            self._copies.setdefault(peak.draw.copy, _Copy(memory=memory)).peaks.append(peak)
        self._slots = {peak.draw: self._beside(peak) for peak in peaks}
        count = len(memory.registry.datastreams)
        self._readings, self._first, self._last = (np.zeros(count, np.int64) for _ in range(3))

    def take(self, rows: ObservationBatch) -> None:
        """The next rows."""
        self._count(rows)
        memory, _, events = self._senses.examine(self._original.memory, rows)
        for copy in self._copies.values():
            values = self._injected(rows, copy.peaks)
            if values is None and not copy.touched:
                copy.memory = memory
                continue
            copy.touched = True
            changed = rows if values is None else replace(rows, value=values)
            copy.memory, _, found = self._senses.examine(copy.memory, changed)
            copy.events.update((event.id, event) for event in found)
        self._original.memory = memory
        self._original.events.update((event.id, event) for event in events)

    def _injected(self, rows: ObservationBatch, peaks: Sequence[Peak]) -> NDArray[np.float64] | None:
        """The rows' values with the peaks added; None where none of them is there."""
        values, watched = None, self._settings.watched()
        for peak in peaks:
            mine = np.flatnonzero(np.isin(rows.datastream, self._slots[peak.draw]))
            shape = relative(rows.observed_at[mine], peak.onset, peak.end, peak.draw.shape)
            if shape.any():
                values = rows.value.copy() if values is None else values
                values[mine] += watched[peak.draw.stream.observed_property].polarity * peak.height * shape
        return values

    def _beside(self, peak: Peak) -> NDArray[np.int64]:
        """The slots that would see the same: of the property at that station, and a collocated twin."""
        memory, stream = self._original.memory, peak.draw.stream
        twins, registry = memory.detection.around.twin_of, memory.registry
        same = [
            d.slot
            for d in registry.datastreams
            if d.observed_property == stream.observed_property
            and (d.station == stream.station or twins[d.slot] == stream.slot or twins[stream.slot] == d.slot)
        ]
        return np.array(same)

    def _count(self, rows: ObservationBatch) -> None:
        """Readings of each stream in the hour, the first and the last."""
        rows = rows[(rows.observed_at >= self._hour) & (rows.observed_at < self._hour + HOUR) & ~rows.late]
        slots, places, counts = np.unique(rows.datastream, return_index=True, return_counts=True)
        new = self._readings[slots] == 0
        self._first[slots[new]] = rows.observed_at[places[new]]
        self._readings[slots] += counts
        np.maximum.at(self._last, rows.datastream, rows.observed_at)

    def _intervals(self) -> dict[int, int]:
        """Slot -> nominal s between its readings in the hour."""
        spans = self._last - self._first
        return {
            int(slot): nominal(float(spans[slot] / (self._readings[slot] - 1)))
            for slot in np.flatnonzero((self._readings > 1) & (spans > 0))
        }

    def verdicts(self) -> list[Verdict]:
        """What became of each peak."""
        return [self._judged(copy, peak) for copy in self._copies.values() for peak in copy.peaks]

    def _judged(self, copy: _Copy, peak: Peak) -> Verdict:
        slot = peak.draw.stream.slot
        onset, end = moment(peak.onset), moment(peak.end)
        own = (e for e in self._original.events.values() if e.datastream == slot and e.kind is not Kind.REGIONAL)
        known: dict[str, Any] = {"draw": peak.draw, "peak": peak, "interval": nominal(peak.interval)}
        if any(e.onset <= end and (e.end or end) >= onset - _BEFORE for e in own):
            return Verdict(**known, outcome=Outcome.OBSCURED)
        step = timedelta(milliseconds=peak.interval)
        until = end + max(2 * step, timedelta(minutes=2))
        met = [e for e in copy.events.values() if e.datastream == slot and onset - step <= e.detected_at <= until]
        found = min((e for e in met if e.stands), key=lambda e: e.detected_at, default=None)
        if found is None:
            return Verdict(**known, outcome=Outcome.MISSED, called=met[0].kind.value if met else None)
        delay = (found.detected_at - onset).total_seconds()
        ratio = found.excess / peak.seen
        return Verdict(**known, outcome=Outcome.FOUND, called=found.kind.value, delay=delay, ratio=ratio)

    def exposures(self) -> list[Exposure]:
        """How much was watched of the properties that are detected on, and which peaks the detector told there."""
        sums: dict[tuple[str, int], list[float]] = {}
        intervals, registry, watched = self._intervals(), self._original.memory.registry, self._settings.watched()
        for slot, interval in intervals.items():
            name = registry.datastreams[slot].observed_property
            if name in watched:
                days = min(self._readings[slot] * interval, HOUR // 1000) / 86_400
                sums.setdefault((name, interval), [0.0, 0, 0])[0] += float(days)
        begin, end = moment(self._hour), moment(self._hour + HOUR)
        for event in self._original.events.values():
            place = sums.get((event.observed_property, intervals.get(event.datastream, 0)))
            if place is not None and event.stands and begin <= event.detected_at < end:
                place[1] += 1
                place[2] += event.neighbours is None or event.neighbours.risen == 0
        return [
            Exposure(observed_property=name, interval=interval, sensor_days=days, peaks=int(peaks), alone=int(alone))
            for (name, interval), (days, peaks, alone) in sorted(sums.items())
        ]


def nominal(milliseconds: float) -> int:
    """The usual number of seconds that is nearest by ratio."""
    return int(_STEPS[np.argmin(np.abs(np.log(_STEPS * 1000 / max(milliseconds, 1.0))))])
