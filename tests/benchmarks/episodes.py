"""Episodes of a whole area, such as dust or smoke: how many would alert as a peak of one station.

    python -m tests.benchmarks.episodes

All stations rise by 8 to 50 ug/m3, in 20 to 60 minutes (slow) or in 3 to 10 (fast). Each rises by another factor, up
to ten minutes after the first. An episode counts if a peak of a station is decided during it: a route may alert on it.
Episodes without the area's own event are counted too.
"""

import sys

import numpy as np

from gateway.detection.confidence import OPEN_REASONS
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.model.event import EventChange, EventKind
from gateway.model.observation import ObservationBatch
from tests.laws import T0, build_registry, run_detector

_EPISODES = 30
_HOURS = 8
_BEGIN = 4 * 3_600  # s
_RISES = {"slow": (20, 60), "fast": (3, 10)}  # minutes


def main() -> int:
    print("| rise | interval | stations | a peak of a station would alert | no event of the area |")
    print("| --- | --- | --- | --- | --- |")
    for rise in _RISES:
        for interval in (150, 60):
            for stations in (2, 3, 4, 8, 20):
                outcomes = [judge_episode(rise, interval, stations, seed) for seed in range(_EPISODES)]
                alerted, missed = (sum(column) for column in zip(*outcomes, strict=True))
                print(
                    f"| {rise} | {interval} s | {stations} | {alerted} of {_EPISODES} | {missed} of {_EPISODES} |",
                    flush=True,
                )
    return 0


def judge_episode(rise, interval, stations, seed):
    """(whether a peak of a station was decided, whether the area got no event)."""
    batch, end = make_episode(rise, interval, stations, seed)
    events = run_detector(Detector(DetectionSettings()), batch, build_registry(stations))
    during = [event for event in events if _BEGIN < event.detected_at.timestamp() - T0 / 1_000 < end]
    alerted = any(
        event.kind is EventKind.PEAK
        and event.change in {EventChange.OPENED, EventChange.UPDATED}
        and not OPEN_REASONS & set(event.reasons)
        for event in during
    )
    return alerted, not any(event.kind is EventKind.REGIONAL for event in during)


def make_episode(rise, interval, stations, seed):
    """(readings, s at which it ends)."""
    rng = np.random.default_rng(seed)
    count = _HOURS * 3_600 // interval
    values = 8 + rng.normal(0, 0.3, (count, stations))
    values += np.cumsum(rng.normal(0, 0.02 * np.sqrt(interval / 60), (count, stations)), 0)
    rise_seconds, size, length = rng.uniform(*_RISES[rise]) * 60, rng.uniform(8, 50), rng.uniform(1, 2) * 3_600
    for station in range(stations):
        begin = (_BEGIN + int(rng.uniform(0, 600))) // interval
        seconds = np.arange(count - begin) * interval
        shape = np.clip(seconds / rise_seconds, 0, 1) * np.exp(-np.maximum(0, seconds - length) / (0.3 * length))
        factor = np.exp(rng.normal(0, 0.2)) * np.exp(rng.normal(0, 0.08, len(seconds)))
        values[begin:, station] += factor * size * shape
    at = np.repeat(T0 + np.arange(count) * interval * 1_000, stations)
    at += np.tile(np.arange(stations) * interval * 1_000 // stations, count)
    batch = ObservationBatch.from_columns(np.tile(np.arange(stations), count), at, values.ravel())
    return batch, _BEGIN + rise_seconds + length


if __name__ == "__main__":
    sys.exit(main())
