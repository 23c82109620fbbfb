"""Detection on one hour of an area, original and with synthetic peaks, with the live settings. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.detection.analyzer import Analyzer, AnalyzerState
from gateway.detection.settings import DetectionSettings
from gateway.evaluation.selftest.injection_plan import HOUR_MS, SyntheticPeak, pulse_shape
from gateway.evaluation.selftest.outcome import Exposure, PeakOutcome, PeakResult
from gateway.model.event import Event, EventKind
from gateway.model.observation import ObservationBatch
from gateway.model.timestamps import from_ms

_NOMINAL_INTERVALS = np.array([1, 2, 5, 10, 15, 20, 30, 60, 120, 150, 300, 600, 900, 1_800, 3_600])  # s
_OBSCURE_WINDOW = timedelta(minutes=10)  # an event so shortly before obscures a peak


@dataclass(kw_only=True)
class _HourCopy:
    state: AnalyzerState
    peaks: list[SyntheticPeak] = field(default_factory=list)
    is_modified: bool = False  # before its first peak the copy equals the original
    events: dict[str, Event] = field(default_factory=dict)


class InjectionTrial:
    """Detects on an hour's rows, in order and in parts of any size, and returns the results of its peaks."""

    def __init__(
        self,
        analyzer: Analyzer,
        settings: DetectionSettings,
        state: AnalyzerState,
        *,
        hour: int,
        peaks: Sequence[SyntheticPeak],
    ) -> None:
        self._analyzer, self._settings, self._hour = analyzer, settings, hour
        self._original = _HourCopy(state=state)
        self._copies: dict[int, _HourCopy] = {}
        for peak in peaks:
            self._copies.setdefault(peak.drawn_peak.copy, _HourCopy(state=state)).peaks.append(peak)
        self._slots = {peak.drawn_peak: self._affected_slots(peak) for peak in peaks}
        count = len(state.registry.datastreams)
        self._readings, self._first, self._last = (np.zeros(count, np.int64) for _ in range(3))

    def feed(self, rows: ObservationBatch) -> None:
        """Detect on the next rows."""
        self._count_readings(rows)
        state, _, events = self._analyzer.analyze(self._original.state, rows)
        for copy in self._copies.values():
            values = self._inject_peaks(rows, copy.peaks)
            if values is None and not copy.is_modified:
                copy.state = state
                continue
            copy.is_modified = True
            injected_rows = rows if values is None else replace(rows, value=values)
            copy.state, _, copy_events = self._analyzer.analyze(copy.state, injected_rows)
            copy.events.update((event.id, event) for event in copy_events)
        self._original.state = state
        self._original.events.update((event.id, event) for event in events)

    def _inject_peaks(self, rows: ObservationBatch, peaks: Sequence[SyntheticPeak]) -> NDArray[np.float64] | None:
        """Return the values with the peaks added; None if no row has a peak."""
        values, enabled = None, self._settings.enabled_properties()
        for peak in peaks:
            positions = np.flatnonzero(np.isin(rows.datastream, self._slots[peak.drawn_peak]))
            shape = pulse_shape(rows.observed_at[positions], peak.onset, peak.end, peak.drawn_peak.shape)
            if shape.any():
                values = rows.value.copy() if values is None else values
                values[positions] += enabled[peak.drawn_peak.stream.observed_property].polarity * peak.height * shape
        return values

    def _affected_slots(self, peak: SyntheticPeak) -> NDArray[np.int64]:
        """Return slots that measure the same air: of the property at that station, and a collocated twin."""
        state, stream = self._original.state, peak.drawn_peak.stream
        twins, registry = state.detection.neighbour_groups.twin_of, state.registry
        slots = [
            datastream.slot
            for datastream in registry.datastreams
            if datastream.observed_property == stream.observed_property
            and (
                datastream.station == stream.station
                or twins[datastream.slot] == stream.slot
                or twins[stream.slot] == datastream.slot
            )
        ]
        return np.array(slots)

    def _count_readings(self, rows: ObservationBatch) -> None:
        """Return per stream the number of readings in the hour, the first and the last time."""
        rows = rows[(rows.observed_at >= self._hour) & (rows.observed_at < self._hour + HOUR_MS) & ~rows.late]
        slots, first_positions, counts = np.unique(rows.datastream, return_index=True, return_counts=True)
        is_new = self._readings[slots] == 0
        self._first[slots[is_new]] = rows.observed_at[first_positions[is_new]]
        self._readings[slots] += counts
        np.maximum.at(self._last, rows.datastream, rows.observed_at)

    def _intervals(self) -> dict[int, int]:
        """Return slot -> nominal interval in s."""
        spans = self._last - self._first
        return {
            int(slot): nominal_interval(float(spans[slot] / (self._readings[slot] - 1)))
            for slot in np.flatnonzero((self._readings > 1) & (spans > 0))
        }

    def peak_results(self) -> list[PeakResult]:
        """Return the result of each peak."""
        return [self._judge_peak(copy, peak) for copy in self._copies.values() for peak in copy.peaks]

    def _judge_peak(self, copy: _HourCopy, peak: SyntheticPeak) -> PeakResult:
        slot = peak.drawn_peak.stream.slot
        onset, end = from_ms(peak.onset), from_ms(peak.end)
        own_events = (
            event
            for event in self._original.events.values()
            if event.datastream == slot and event.kind is not EventKind.REGIONAL
        )
        common_fields: dict[str, Any] = {
            "drawn_peak": peak.drawn_peak,
            "peak": peak,
            "interval": nominal_interval(peak.interval),
        }
        if any(event.onset <= end and (event.end or end) >= onset - _OBSCURE_WINDOW for event in own_events):
            return PeakResult(**common_fields, outcome=PeakOutcome.OBSCURED)
        step = timedelta(milliseconds=peak.interval)
        until = end + max(2 * step, timedelta(minutes=2))
        candidates = [
            event
            for event in copy.events.values()
            if event.datastream == slot and onset - step <= event.detected_at <= until
        ]
        detected = min(
            (event for event in candidates if event.is_valid_peak), key=lambda event: event.detected_at, default=None
        )
        if detected is None:
            return PeakResult(
                **common_fields,
                outcome=PeakOutcome.MISSED,
                detected_kind=candidates[0].kind.value if candidates else None,
            )
        delay = (detected.detected_at - onset).total_seconds()
        ratio = detected.excess / peak.sampled_height
        return PeakResult(
            **common_fields, outcome=PeakOutcome.FOUND, detected_kind=detected.kind.value, delay=delay, ratio=ratio
        )

    def exposures(self) -> list[Exposure]:
        """Return the exposure of each property and interval, and the peaks detected without synthetic ones."""
        sums: dict[tuple[str, int], list[float]] = {}
        intervals, registry, enabled = (
            self._intervals(),
            self._original.state.registry,
            self._settings.enabled_properties(),
        )
        for slot, interval in intervals.items():
            name = registry.datastreams[slot].observed_property
            if name in enabled:
                days = min(self._readings[slot] * interval, HOUR_MS // 1000) / 86_400
                sums.setdefault((name, interval), [0.0, 0, 0])[0] += float(days)
        begin, end = from_ms(self._hour), from_ms(self._hour + HOUR_MS)
        for event in self._original.events.values():
            exposure_sums = sums.get((event.observed_property, intervals.get(event.datastream, 0)))
            if exposure_sums is not None and event.is_valid_peak and begin <= event.detected_at < end:
                exposure_sums[1] += 1
                exposure_sums[2] += event.neighbours is None or event.neighbours.risen == 0
        return [
            Exposure(observed_property=name, interval=interval, sensor_days=days, peaks=int(peaks), alone=int(alone))
            for (name, interval), (days, peaks, alone) in sorted(sums.items())
        ]


def nominal_interval(milliseconds: float) -> int:
    """Return the common interval (s) that is nearest by ratio."""
    return int(_NOMINAL_INTERVALS[np.argmin(np.abs(np.log(_NOMINAL_INTERVALS * 1000 / max(milliseconds, 1.0))))])
