"""Time that preliminary marks add to the analysis of a micro-batch.

    python -m tests.benchmarks.marks

Each micro-batch has ten readings of each of its datastreams, as a node sends them. `rising` is the share of datastreams
that are in the first readings of a plume. Every figure is the median of the repetitions, in one process.
"""

import statistics
import sys
import time

import numpy as np

from gateway.detection.analyzer import Analyzer
from gateway.detection.detector import Detector
from gateway.detection.preliminary import find_marks
from gateway.detection.settings import DetectionSettings
from gateway.model.observation import ObservationBatch
from gateway.quality.flagger import Flagger
from tests.laws import T0, build_registry

_REPETITIONS = 15
_READINGS = 10
_CASES = ((1_000, 0.0), (1_000, 0.01), (80_000, 0.0), (80_000, 0.01))


def main() -> int:
    print("| datastreams in the micro-batch | rising | analysis, ms | marks, ms | share |")
    print("| --- | --- | --- | --- | --- |")
    for count, share in _CASES:
        analysis, marks, mark_count = measure(count, share)
        print(
            f"| {count:,} | {share:.0%}: {mark_count} marks | {analysis:.2f} | {marks:.3f} | {marks / analysis:.1%} |",
            flush=True,
        )
    return 0


def measure(count, share):
    """(analysis, marks) in ms of one micro-batch, and the number of marks."""
    registry = build_registry(count)
    analyzer = Analyzer(flagger=Flagger(), detector=Detector(DetectionSettings()))
    state = analyzer.initial(registry)
    rng, risen = np.random.default_rng(1), int(count * share)
    for number in range(6):
        state, _, _ = analyzer.analyze(state, make_batch(rng, count, number, 0))
    batch = make_batch(rng, count, 6, risen)
    analysis, after = repeat(lambda: analyzer.analyze(state, batch)[0])
    slots = np.flatnonzero(np.bincount(batch.datastream))
    marks, result = repeat(lambda: find_marks(analyzer.detector, after.detection, slots))
    return analysis, marks, len(result)


def make_batch(rng, count, number, risen):
    """Ten readings of each datastream, a second apart; the last one of the first `risen` stands out."""
    values = 8 + rng.normal(0, 0.1, (count, _READINGS))
    values[:risen, -1] += 2.5
    at = T0 + 1_000 * (number * _READINGS + np.arange(_READINGS))
    return ObservationBatch.from_columns(
        np.repeat(np.arange(count), _READINGS), np.tile(at, count), values.round(1).ravel()
    )


def repeat(task):
    """(median ms, last result)."""
    seconds = []
    for _ in range(_REPETITIONS):
        started_at = time.perf_counter()
        result = task()
        seconds.append(time.perf_counter() - started_at)
    return 1_000 * statistics.median(seconds), result


if __name__ == "__main__":
    sys.exit(main())
