"""The labelled sets, what a method finds in them, and its score by the benchmark's own rules."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass

import pandas as pd
from baselines import BASELINES, events

OURS = "**Piekwacht**"
METHODS = [OURS, *(baseline.name for baseline in BASELINES)]
_UNKNOWN = "2022-05-11T02:00:00Z/2022-05-11T16:00:00Z"  # hours of methane outside every listed release


@dataclass(frozen=True, kw_only=True)
class Set:
    """A recording with plumes added (`tier`), or one of controlled releases (no tier)."""

    name: str
    recording: str
    step: int
    tier: str | None = None
    seed: int | None = None

    @property
    def folder(self) -> str:
        return f"{self.step}-{self.tier or 'releases'}-{self.seed or 0}"


RELEASES = Set(name="controlled releases of methane, 60 s", recording="controlled_releases.csv.gz", step=60)
UNLABELLED = Set(name="a dusty street, 1 s", recording="pm_dust_1s.csv.gz", step=1)
_KINDS = [
    ("small peaks, 150 s", "pm_aberdeen_2019.csv.gz", 150, "small"),
    ("industrial peaks, 150 s", "pm_aberdeen_2019.csv.gz", 150, "industrial"),
    ("industrial peaks, 60 s", "pm_rtp_2019_1min.csv.gz", 60, "industrial"),
]


def sets(seeds):
    return [
        Set(name=name, recording=recording, step=step, tier=tier, seed=seed)
        for name, recording, step, tier in _KINDS
        for seed in seeds
    ] + [RELEASES]


def missing(shared):
    """What is not there of what the benchmark needs."""
    files = {shared / "bench" / "benchmark.py", shared / "data" / UNLABELLED.recording}
    files |= {shared / "data" / one.recording for one in sets([1])} | {truth(shared)}
    return sorted(str(file) for file in files if not file.exists())


def truth(shared):
    return shared / "data" / "controlled_releases_truth.csv"


def make(shared, one, place):
    """The set's observations in a folder of its own."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    recording = shared / "data" / one.recording
    if one.tier is None:
        (place / "observations.csv.gz").symlink_to(recording.resolve())
        return
    words = ("--step", one.step, "--tier", one.tier, "--seed", one.seed, "--out", place)
    _call(shared, "make", "--background", recording, *words)


def find(one, place, method):
    """The method's events of a set, in a file."""
    found = place / f"{METHODS.index(method)}.json"
    if method == OURS:
        command = [sys.executable, "-m", "gateway", "backtest", place / "observations.csv.gz", "--output", found]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return found
    frame = pd.read_csv(place / "observations.csv.gz").sort_values(["station", "time"])
    if not pd.api.types.is_numeric_dtype(frame["time"]):
        moments = pd.to_datetime(frame["time"], utc=True, format="ISO8601")
        frame["time"] = (moments - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
    baseline = next(b for b in BASELINES if b.name == method)
    found.write_text(json.dumps(events(frame, baseline, one.step)))
    return found


def score(shared, one, place, found):
    """By the benchmark's rules."""
    if one.tier is not None:
        return json.loads(_call(shared, "score", "--dir", place, "--events", found, "--step", one.step))
    where = ("--releases", truth(shared), "--observations", place / "observations.csv.gz", "--exclude", _UNKNOWN)
    return json.loads(_call(shared, "score", *where, "--events", found, "--step", one.step))


def _call(shared, *words):
    script = shared / "bench" / "benchmark.py"
    return subprocess.run([sys.executable, script, *map(str, words)], check=True, capture_output=True, text=True).stdout
