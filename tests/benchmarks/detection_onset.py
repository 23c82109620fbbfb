"""How far the told onset is from the true one, at several sampling intervals, with the shipped settings.

    python -m tests.benchmarks.detection_onset

Plumes as those of a site (5 to 100 ug/m3, 6 to 30 minutes, gamma-shaped, onset where they pass a tenth of their peak)
stand on a made-up background: white noise and a slow walk, as low-cost sensors have them. Every station is an area of
its own. The last line is JSON: median error and share within one interval, by interval in seconds.
"""

import json

import numpy as np

from gateway.bench.detect import build_registry
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.model.event import EventChange, EventKind
from gateway.model.observation import ObservationBatch

STATIONS, T0 = 40, 1_795_228_800_000
HOURS = 36


def main():
    results = {}
    for step in (10, 60, 150):
        errors, missed_count = measure_onset_errors(step)
        within = float(np.mean(errors <= step))
        results[step] = {
            "plumes": len(errors) + missed_count,
            "missed": missed_count,
            "median_s": round(float(np.median(errors)), 1),
            "within_one_interval": round(within, 3),
        }
        print(f"{step} s: median {np.median(errors):.1f} s, within one interval {within:.1%}, {missed_count} missed")
    print(json.dumps(results))


def measure_onset_errors(step, seed=1):
    """(errors in s of the plumes that were found, how many were not)."""
    rng = np.random.default_rng(seed)
    values, truth = simulate_plumes(step, rng)
    n = len(values)
    at = np.repeat(T0 + np.arange(n) * step * 1000, STATIONS)
    batch = ObservationBatch.from_columns(np.tile(np.arange(STATIONS), n), at, values.ravel().round(2))
    detector, registry = Detector(DetectionSettings()), build_registry(STATIONS, areas=STATIONS)
    _, events = detector.detect(detector.initial(registry), batch, registry)
    opened = [e for e in events if e.change is EventChange.OPENED and e.kind is EventKind.PEAK]
    detections = [
        (e.datastream, e.onset.timestamp() - T0 / 1000, e.detected_at.timestamp() - T0 / 1000) for e in opened
    ]
    errors = []
    for station, onset, end in truth:
        errors_of_plume = [
            abs(detected_onset - onset)
            for detected_station, detected_onset, detected_at in detections
            if detected_station == station and onset - step <= detected_at <= end + 120
        ]
        errors += errors_of_plume[:1]
    return np.array(errors), len(truth) - len(errors)


def simulate_plumes(step, rng):
    """((n, STATIONS) ug/m3, [(station, onset s, end s)]): two plumes in three hours."""
    n = int(HOURS * 3600 / step)
    drift = np.cumsum(rng.normal(0, 0.02 * np.sqrt(step / 10), (n, STATIONS)), axis=0)
    values, truth = 12 + drift + rng.normal(0, 0.3, (n, STATIONS)), []
    for station in range(STATIONS):
        for begin in np.arange(3 * 3600, (HOURS - 2) * 3600, 5400):
            start, k = begin + rng.uniform(0, 1200), rng.uniform(1.6, 4.0)
            u = np.linspace(0.001, 12, 4000)
            fractions = u[u ** (k - 1) * np.exp((k - 1) * (1 - u)) > 0.1]
            peak = np.exp(rng.uniform(np.log(360), np.log(1800))) / (fractions[-1] - fractions[0])
            t = np.clip((np.arange(n) + 0.5) * step - start, 0, None) / peak
            values[:, station] += np.exp(rng.uniform(np.log(5), np.log(100))) * t ** (k - 1) * np.exp((k - 1) * (1 - t))
            truth.append((station, start + fractions[0] * peak - 0.5 * step, start + fractions[-1] * peak))
    return values.clip(0), truth


if __name__ == "__main__":
    main()
