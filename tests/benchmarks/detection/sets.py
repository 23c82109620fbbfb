"""The labelled sets, what a method finds in them, and its score by the benchmark's own rules."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from baselines import BASELINES, detect_events

BUILD = Path("build/detection")
OURS = "**Piekwacht**"
METHODS = [OURS, *(baseline.name for baseline in BASELINES)]
_EXCLUDED_HOURS = "2022-05-11T02:00:00Z/2022-05-11T16:00:00Z"  # hours of methane outside every listed release


@dataclass(frozen=True, kw_only=True)
class LabelledSet:
    """A recording with plumes added (`tier`), or one of controlled releases (no tier)."""

    name: str
    recording: str
    step: int
    tier: str | None = None
    seed: int | None = None

    @property
    def folder(self) -> str:
        return f"{self.step}-{self.tier or 'releases'}-{self.seed or 0}"


RELEASES = LabelledSet(name="controlled releases of methane, 60 s", recording="controlled_releases.csv.gz", step=60)
UNLABELLED = LabelledSet(name="a dusty street, 1 s", recording="pm_dust_1s.csv.gz", step=1)
_SET_TYPES = [
    ("small peaks, 150 s", "pm_aberdeen_2019.csv.gz", 150, "small"),
    ("industrial peaks, 150 s", "pm_aberdeen_2019.csv.gz", 150, "industrial"),
    ("industrial peaks, 60 s", "pm_rtp_2019_1min.csv.gz", 60, "industrial"),
]


def list_sets(seeds):
    return [
        LabelledSet(name=name, recording=recording, step=step, tier=tier, seed=seed)
        for name, recording, step, tier in _SET_TYPES
        for seed in seeds
    ] + [RELEASES]


def list_training_sets(seeds):
    """Sets for the judge: small and industrial peaks at both intervals."""
    return [
        LabelledSet(name=f"{tier} peaks, {step} s", recording=recording, step=step, tier=tier, seed=seed)
        for recording, step in (("pm_aberdeen_2019.csv.gz", 150), ("pm_rtp_2019_1min.csv.gz", 60))
        for tier in ("small", "industrial")
        for seed in seeds
    ]


def list_missing_files(shared):
    """What is not there of what the benchmark needs."""
    files = {shared / "bench" / "benchmark.py", shared / "data" / UNLABELLED.recording}
    files |= {shared / "data" / labelled_set.recording for labelled_set in list_sets([1])} | {truth_path(shared)}
    return sorted(str(file) for file in files if not file.exists())


def truth_path(shared):
    return shared / "data" / "controlled_releases_truth.csv"


def make_set(shared, labelled_set, folder):
    """The set's observations in a folder of its own."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    recording = shared / "data" / labelled_set.recording
    if labelled_set.tier is None:
        (folder / "observations.csv.gz").symlink_to(recording.resolve())
        return
    arguments = ("--step", labelled_set.step, "--tier", labelled_set.tier, "--seed", labelled_set.seed, "--out", folder)
    _run_benchmark(shared, "make", "--background", recording, *arguments)


def detect(labelled_set, folder, method):
    """The method's events of a set, in a file."""
    output = folder / f"{METHODS.index(method)}.json"
    if method == OURS:
        command = [sys.executable, "-m", "gateway", "backtest", folder / "observations.csv.gz", "--output", output]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return output
    frame = pd.read_csv(folder / "observations.csv.gz").sort_values(["station", "time"])
    if not pd.api.types.is_numeric_dtype(frame["time"]):
        moments = pd.to_datetime(frame["time"], utc=True, format="ISO8601")
        frame["time"] = (moments - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
    baseline = next(b for b in BASELINES if b.name == method)
    output.write_text(json.dumps(detect_events(frame, baseline, labelled_set.step)))
    return output


def score(shared, labelled_set, folder, detections):
    """By the benchmark's rules."""
    if labelled_set.tier is not None:
        return json.loads(
            _run_benchmark(shared, "score", "--dir", folder, "--events", detections, "--step", labelled_set.step)
        )
    arguments = (
        "--releases",
        truth_path(shared),
        "--observations",
        folder / "observations.csv.gz",
        "--exclude",
        _EXCLUDED_HOURS,
    )
    return json.loads(_run_benchmark(shared, "score", *arguments, "--events", detections, "--step", labelled_set.step))


def _run_benchmark(shared, *words):
    script = shared / "bench" / "benchmark.py"
    return subprocess.run([sys.executable, script, *map(str, words)], check=True, capture_output=True, text=True).stdout
