"""Which true events were found, and which found ones are true, by the benchmark's rules."""

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Labels:
    """What is known of a set with plumes; start in s."""

    truth: pd.DataFrame
    ignored: set
    start: int
    step: int

    @classmethod
    def of(cls, labelled_set, folder):
        times = pd.read_csv(folder / "observations.csv.gz", usecols=["time"])["time"]
        ignored = set(map(tuple, pd.read_csv(folder / "ignore.csv").to_numpy()))
        start = int(times.min() // labelled_set.step * labelled_set.step)
        return cls(pd.read_csv(folder / "truth.csv"), ignored, start, labelled_set.step)


def judge_detections(labels, detections):
    """(hit of each true event; true, false of each found one, neither where it does not count)."""
    truth, step, post = labels.truth, labels.step, max(2 * labels.step, 120)
    hit, true, false = np.zeros(len(truth), bool), np.zeros(len(detections), bool), np.zeros(len(detections), bool)
    onset, end = truth["onset"].to_numpy(), truth["end"].to_numpy()
    truth_by_station = {station: np.flatnonzero(truth["station"] == station) for station in truth["station"].unique()}
    no_candidates = np.zeros(0, int)
    for i, (station, at) in enumerate(zip(detections["station"], detections["detected_at"], strict=True)):
        candidates = truth_by_station.get(station, no_candidates)
        inside = candidates[(onset[candidates] - step <= at) & (at <= end[candidates] + post)]
        tail = (end[candidates] < at) & (at <= end[candidates] + post + 900)
        hit[inside] = True
        true[i] = len(inside) > 0
        time_bin = labels.start + int((at - labels.start) // step * step)
        false[i] = not len(inside) and not tail.any() and (station, time_bin) not in labels.ignored
    return hit, true, false


def read_detections(path):
    """A file's events with times in s."""
    detections = pd.DataFrame(
        json.loads(path.read_text()), columns=["station", "detected_at", "onset", "end", "excess"]
    )
    for name in ("detected_at", "onset"):
        if not pd.api.types.is_numeric_dtype(detections[name]):
            moments = pd.to_datetime(detections[name], utc=True, format="ISO8601")
            detections[name] = (moments - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
    return detections
