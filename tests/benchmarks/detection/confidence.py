"""Compare the confidence of events with the share that is true; fit its logistic regressions.

    .venv/bin/python tests/benchmarks/detection/confidence.py --shared ../shared --fit 51 52 53 --judge 41 42 --write

Sets are made with the given seeds (see table.py). A seed cannot both fit and judge. For `--fit` it prints the
coefficients of gateway/detection/confidence.py. For `--judge` it prints a table of confidence against truth, for the
first decided and the last revision of each event; --write puts that table into docs/detection.md. The Brier score is
the mean square of the difference between confidence and truth (0 or 1).
"""

import argparse
import math
import sys
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from judging import Labels, judge_detections
from markdown import format_table, insert_table
from sets import BUILD, list_missing_files, list_sets, make_set

from gateway.detection.confidence import (
    ENDED_MODEL,
    OPEN_REASONS,
    RISING_MODEL,
    SINGLE_READING_MODEL,
    ConfidenceReason,
    list_judged_terms,
)
from gateway.detection.detector import Detector, rows_from_batch
from gateway.detection.records import NOT_JUDGED, allocate_changes
from gateway.detection.settings import DetectionSettings
from gateway.evaluation import backtest
from gateway.model.event import EventChange

_EDGES = [0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0]
_BEGIN, _END = "<!-- table: confidence.py -->", "<!-- end of confidence -->"


def main() -> int:
    options = parse_arguments()
    if set(options.fit) & set(options.judge):
        sys.exit("a seed that fits does not judge")
    missing_files = list_missing_files(options.shared)
    if missing_files:
        print(f"no benchmark here: {missing_files[0]} is not there; say where with --shared FOLDER")
        return 0
    with ProcessPoolExecutor(options.workers) as pool:
        fit, judge = (load_revisions(pool, options.shared, seeds) for seeds in (options.fit, options.judge))
    if options.fit:
        print("\n".join(format_coefficients(fit)))
    if options.judge:
        table = format_reliability(judge)
        print(table)
        if options.write:
            insert_table(options.docs / "detection.md", table, _BEGIN, _END)
    return 0


def parse_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    parser.add_argument("--fit", type=int, nargs="*", default=[])
    parser.add_argument("--judge", type=int, nargs="*", default=[])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    return parser.parse_args()


def load_revisions(pool, shared, seeds):
    """All revisions of the events of these seeds' sets of which is known whether they are true."""
    labelled_sets = [labelled_set for labelled_set in list_sets(seeds) if labelled_set.tier is not None]
    frames = list(pool.map(revisions_of_set, [shared] * len(labelled_sets), labelled_sets))
    return pd.concat(frames, ignore_index=True) if frames else None


def revisions_of_set(shared, labelled_set):
    """The revisions of the peaks of a set that stood to their end, and whether they were true."""
    folder = BUILD / labelled_set.folder
    make_set(shared, labelled_set, folder)
    recording = backtest.read_recording(folder / "observations.csv.gz")
    registry, batch, revisions = backtest.analyze_values(recording.values, DetectionSettings())
    judged = dict(zip(map(id, revisions), read_log_odds(registry, batch), strict=True))
    last = {event.id: event for event in revisions}
    first = {event.id: event for event in reversed(revisions) if not OPEN_REASONS & set(event.reasons)}
    confirmed = [event for event in revisions if last[event.id].is_valid_peak]
    detections = pd.DataFrame(
        [
            {**build_row(event, first.get(event.id), last[event.id], labelled_set), "judged": judged[id(event)]}
            for event in confirmed
        ]
    )
    _, true, false = judge_detections(Labels.of(labelled_set, folder), detections)
    return detections.assign(true=true)[true | false]


def read_log_odds(registry, batch):
    """The judge's highest answer at each revision; NaN for events without one."""
    detector, stream_count = Detector(DetectionSettings()), len(registry.datastreams)
    changes = allocate_changes(len(batch), stream_count)
    count = detector.advance(detector.initial(registry), rows_from_batch(batch), changes)
    log_odds = changes["event"]["log_odds"][:count]
    return np.where(log_odds == NOT_JUDGED, np.nan, log_odds / 1_000)


def build_row(event, first, last, labelled_set):
    until_time = event.peak_at if event.change in {EventChange.OPENED, EventChange.UPDATED} else event.end
    return {
        "set": labelled_set.name,
        "station": event.station,
        "detected_at": event.detected_at.timestamp(),
        "first": event is first,
        "last": event is last,
        "revision": event.revision,
        "decided": not OPEN_REASONS & set(event.reasons),
        "over": event.change is EventChange.ENDED,
        "alone": ConfidenceReason.SINGLE_READING in event.reasons,
        "ratio": event.excess / event.noise,
        "minutes": (until_time - event.onset).total_seconds() / 60,
        "waited": (event.detected_at - event.onset).total_seconds() / 60,
        "said": event.confidence,
    }


def format_coefficients(revisions):
    """The lines of gateway/detection/confidence.py."""
    several_readings = revisions[~revisions["alone"]]
    for name, shape, rows, length in (
        ("RISING", RISING_MODEL, several_readings[~several_readings["over"]], "minutes"),
        ("OVER", ENDED_MODEL, several_readings[several_readings["over"]], "minutes"),
        ("TRAILING", SINGLE_READING_MODEL, revisions[revisions["alone"] & revisions["first"]], "waited"),
    ):
        terms = np.array([shape.terms(r, m) for r, m in zip(rows["ratio"], rows[length], strict=True)])
        terms[:, 1] *= shape.ratio_coefficient != 0  # of one reading its size says nothing
        base, size, span = fit_regression(terms, rows["true"].to_numpy(float))
        yield f"{name}: base={base:.2f}, by_size={size:.2f}, by_length={span:.2f}, from {len(rows)} revisions"
    later = revisions[revisions["judged"].notna() & revisions["decided"] & (revisions["revision"] > 1)]
    for name, judged in (("UPDATED", later[~later["over"]]), ("ENDED", later[later["over"]])):
        terms = np.array([list_judged_terms(j, m) for j, m in zip(judged["judged"], judged["minutes"], strict=True)])
        estimates = ", ".join(f"{estimate:.2f}" for estimate in fit_regression(terms, judged["true"].to_numpy(float)))
        yield f"JUDGED_TERMS, {name}: {estimates}, from {len(judged)} revisions"


def fit_regression(terms, true):
    """Coefficients of a logistic regression, by Newton's method."""
    estimates = np.zeros(terms.shape[1])
    for _ in range(25):
        p = 1 / (1 + np.exp(-terms @ estimates))
        curvature = (terms * (p * (1 - p))[:, None]).T @ terms + 1e-6 * np.eye(len(estimates))
        estimates = estimates + np.linalg.solve(curvature, terms.T @ (true - p))
    return estimates


def format_reliability(revisions):
    """A table with a row per bin of confidence and a column per group of events."""
    bins = [f"{low:g} to {high:g}" for low, high in pairwise(_EDGES)]
    names = list(dict.fromkeys(revisions["set"]))
    groups = {
        "all sets, first decided revision": revisions[revisions["first"]],
        "all sets, last revision": revisions[revisions["last"]],
    }
    groups |= {
        f"{name}, first decided revision": revisions[revisions["first"] & (revisions["set"] == name)] for name in names
    }
    groups["one reading and its tail"] = revisions[revisions["alone"] & revisions["first"]]
    columns = [format_column(rows) for rows in groups.values()]
    lines = zip([*bins, "events", "Brier score"], *columns, strict=True)
    return format_table([list(line) for line in lines], ["confidence", *groups])


def format_column(rows):
    """For each bin: mean confidence, share that was true, number of events; then number of events and Brier score."""
    confidences, true = rows["said"].to_numpy(), rows["true"].to_numpy()
    bins = np.clip(np.digitize(confidences, _EDGES) - 1, 0, len(_EDGES) - 2)
    cells = []
    for number in range(len(_EDGES) - 1):
        in_bin = bins == number
        cells.append(
            f"{confidences[in_bin].mean():.2f}: {true[in_bin].mean():.2f} ({in_bin.sum()})" if in_bin.any() else "-"
        )
    brier = float(np.mean((confidences - true) ** 2)) if len(confidences) else math.nan
    return [*cells, str(len(confidences)), f"{brier:.3f}"]


if __name__ == "__main__":
    sys.exit(main())
