"""The detector alone, reading by reading, beside a rule with a fixed level. No processes, no delays."""

from functools import partial

import numpy as np

from gateway.detection.detector import Detector
from gateway.detection.preliminary import find_marks
from gateway.detection.settings import DetectionSettings
from gateway.model.event import EventChange, EventKind
from gateway.model.observation import ObservationBatch
from tests.benchmarks.crossing.series import LEVEL, describe_waits, find_waits, make_series
from tests.laws import T0, build_registry

DAYS = 2
_SECONDS = DAYS * 86_400
_COLOURS = {"white": (0.0, 0.4), "memory of 10 s": (0.9, 0.4), "memory of 50 s": (0.98, 0.5)}
_SAME_MARK = 60  # s: marks that are no farther apart are one


def print_simulated():
    print("| noise | method | false per day | median, s | 95 %, s | longest, s | missed |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for colour, (memory, deviation) in _COLOURS.items():
        calm, _ = make_series(memory, deviation, seed=1, seconds=_SECONDS, has_plumes=False)
        series, crossings = make_series(memory, deviation, seed=2, seconds=_SECONDS, has_plumes=True)
        false_marks, false_events = detect(calm)
        marks, events = detect(series)
        either = sorted([*marks, *events])  # an event that opens with its first reading needs no mark
        print_row(colour, "preliminary mark", false_marks, find_waits(either, crossings))
        print_row(colour, "event", false_events, find_waits(events, crossings))
        for name, seconds in (("fixed level, at once", 1), ("fixed level for 5 s", 5)):
            method = partial(above_level, seconds=seconds)
            print_row(colour, name, method(calm), find_waits(method(series), crossings))


def print_row(colour, method, false, waits):
    cells = [colour, method, f"{len(false) / DAYS:.1f}", *describe_waits(waits)]
    print(f"| {' | '.join(cells)} |", flush=True)


def detect(values):
    """Seconds at which a mark began, and at which a peak opened."""
    detector, registry, slots = Detector(DetectionSettings()), build_registry(1), np.arange(1)
    states = detector.initial(registry)
    marks, events, last_mark = [], [], -np.inf
    for second, value in enumerate(values):
        row = ObservationBatch.from_columns([0], [T0 + 1_000 * second], [value])
        states, changes = detector.detect(states, row, registry)
        events += [
            float(second) for change in changes if change.kind is EventKind.PEAK and change.change is EventChange.OPENED
        ]
        if find_marks(detector, states, slots):
            marks += [float(second)] if second - last_mark > _SAME_MARK else []
            last_mark = second
    return marks, events


def above_level(values, seconds):
    """Seconds at which the value has been above the level for so long."""
    above = values > values[0] + LEVEL
    run = np.convolve(above, np.ones(seconds), "full")[: len(above)] >= seconds
    return np.flatnonzero(run & ~np.concatenate([[False], run[:-1]])).astype(float).tolist()
