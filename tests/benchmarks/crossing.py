"""Seconds from the first reading over a level to the event, on streams of one reading per second.

    python -m tests.benchmarks.crossing

Plumes of 8 to 100 ug/m3 and 1 to 30 minutes are added to a wandering background. The noise has three colours: white,
and with a memory of 10 s and 50 s. The crossing is the first reading at which the plume alone is above LEVEL.

The peer is what a rule in Prometheus can do with a scrape and an evaluation per second: the value is above a fixed
level, at once or for five seconds. That level is the background at the start plus LEVEL, which an operator would have
to know. False events are counted on the same noise without plumes.
"""

import statistics
import sys
from functools import partial

import numpy as np

from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.model.event import EventChange, EventKind
from gateway.model.observation import ObservationBatch
from tests.laws import T0, build_registry, run_detector

LEVEL = 5.0  # ug/m3 above the background
DAYS = 2
_SECONDS = DAYS * 86_400
_EVERY = 3_600  # s from one plume to the next
_COLOURS = {"white": (0.0, 0.4), "memory of 10 s": (0.9, 0.4), "memory of 50 s": (0.98, 0.5)}
_LATEST = 1_800  # s after the crossing: a later alarm is that of another plume


def main() -> int:
    print("| noise | method | false events per day | median, s | 95 %, s | missed |")
    print("| --- | --- | --- | --- | --- | --- |")
    for colour, (memory, deviation) in _COLOURS.items():
        calm, _ = make_series(memory, deviation, seed=1, has_plumes=False)
        series, crossings = make_series(memory, deviation, seed=2, has_plumes=True)
        methods = {
            "Piekwacht": detect,
            "fixed level, at once": partial(above_level, seconds=1),
            "fixed level for 5 s": partial(above_level, seconds=5),
        }
        for name, method in methods.items():
            false = len(method(calm)) / DAYS
            waits = find_waits(method(series), crossings)
            reached = [wait for wait in waits if wait is not None]
            print(
                f"| {colour} | {name} | {false:.1f} | {statistics.median(reached):.0f} "
                f"| {np.percentile(reached, 95):.0f} | {len(waits) - len(reached)} of {len(waits)} |"
            )
    return 0


def make_series(memory, deviation, *, seed, has_plumes):
    """(values per second, crossings in s)."""
    rng = np.random.default_rng(seed)
    shocks = rng.normal(0, deviation * np.sqrt(1 - memory * memory), _SECONDS)
    noise, last = np.empty(_SECONDS), 0.0
    for second, shock in enumerate(shocks):
        last = memory * last + shock
        noise[second] = last
    values = 8 + noise + np.cumsum(rng.normal(0, 0.002, _SECONDS))
    crossings = []
    for begin in range(_EVERY, _SECONDS - _EVERY, _EVERY) if has_plumes else ():
        shape = make_plume(rng)
        values[begin : begin + len(shape)] += shape
        crossings.append(begin + int(np.argmax(shape > LEVEL)))
    return np.round(values, 1), crossings


def make_plume(rng):
    """A rise and a longer fall, per second, in ug/m3."""
    duration, size = np.exp(rng.uniform(np.log([60, 8]), np.log([1_800, 100])))
    steepness = rng.uniform(1.6, 4.0)
    peak = duration / 3
    time = (np.arange(int(min(3_000, 2.5 * duration))) + 0.5) / peak
    return size * time ** (steepness - 1) * np.exp((steepness - 1) * (1 - time))


def detect(values):
    """Seconds at which the detector opened a peak."""
    at = T0 + np.arange(len(values)) * 1_000
    batch = ObservationBatch.from_columns(np.zeros(len(values), np.int32), at, values)
    events = run_detector(Detector(DetectionSettings()), batch, build_registry(1))
    return [
        event.detected_at.timestamp() - T0 / 1_000
        for event in events
        if event.kind is EventKind.PEAK and event.change is EventChange.OPENED
    ]


def above_level(values, seconds):
    """Seconds at which the value has been above the level for so long."""
    above = values > values[0] + LEVEL
    run = np.convolve(above, np.ones(seconds), "full")[: len(above)] >= seconds
    return np.flatnonzero(run & ~np.concatenate([[False], run[:-1]])).astype(float).tolist()


def find_waits(alarms, crossings):
    """Seconds from each crossing to the first alarm of its plume; 0 for one before it, None without one."""
    waits = []
    for crossing in crossings:
        near = [alarm for alarm in alarms if crossing - 300 < alarm < crossing + _LATEST]
        waits.append(max(0.0, near[0] - crossing) if near else None)
    return waits


if __name__ == "__main__":
    sys.exit(main())
