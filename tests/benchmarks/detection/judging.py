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
    def of(cls, one, place):
        times = pd.read_csv(place / "observations.csv.gz", usecols=["time"])["time"]
        ignored = set(map(tuple, pd.read_csv(place / "ignore.csv").to_numpy()))
        start = int(times.min() // one.step * one.step)
        return cls(pd.read_csv(place / "truth.csv"), ignored, start, one.step)


def judged(labels, found):
    """(hit of each true event; true, false of each found one, neither where it does not count)."""
    truth, step, post = labels.truth, labels.step, max(2 * labels.step, 120)
    hit, true, false = np.zeros(len(truth), bool), np.zeros(len(found), bool), np.zeros(len(found), bool)
    onset, end = truth["onset"].to_numpy(), truth["end"].to_numpy()
    there = {station: np.flatnonzero(truth["station"] == station) for station in truth["station"].unique()}
    nobody = np.zeros(0, int)
    for i, (station, at) in enumerate(zip(found["station"], found["detected_at"], strict=True)):
        mine = there.get(station, nobody)
        inside = mine[(onset[mine] - step <= at) & (at <= end[mine] + post)]
        tail = (end[mine] < at) & (at <= end[mine] + post + 900)
        hit[inside] = True
        true[i] = len(inside) > 0
        cell = labels.start + int((at - labels.start) // step * step)
        false[i] = not len(inside) and not tail.any() and (station, cell) not in labels.ignored
    return hit, true, false


def read(path):
    """A file's events with times in s."""
    found = pd.DataFrame(json.loads(path.read_text()), columns=["station", "detected_at", "onset", "end", "excess"])
    for name in ("detected_at", "onset"):
        if not pd.api.types.is_numeric_dtype(found[name]):
            moments = pd.to_datetime(found[name], utc=True, format="ISO8601")
            found[name] = (moments - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
    return found
