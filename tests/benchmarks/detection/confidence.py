"""Compare the confidence of events with the share that is true; fit its logistic regressions.

    .venv/bin/python tests/benchmarks/detection/confidence.py --shared ../shared --fit 51 52 53 --judge 41 42 --write

Sets are made with the given seeds (see table.py). A seed cannot both fit and judge. For `--fit` it prints the
coefficients of gateway/detection/confidence.py. For `--judge` it prints a table of confidence against truth, for the
first and the last revision of each event; --write puts that table into docs/detection.md. The Brier score is the mean
square of the difference between confidence and truth (0 or 1).
"""

import argparse
import math
import sys
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from judging import Labels, judged
from sets import make, missing, sets
from table import BUILD, put, written

from gateway.detection.confidence import OVER, RISING, TRAILING, Reason
from gateway.detection.settings import DetectionSettings
from gateway.evaluation import backtest
from gateway.model.event import Change

_EDGES = [0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0]
_BEGIN, _END = "<!-- table: confidence.py -->", "<!-- end of confidence -->"


def main() -> int:
    given = arguments()
    if set(given.fit) & set(given.judge):
        sys.exit("a seed that fits does not judge")
    absent = missing(given.shared)
    if absent:
        print(f"no benchmark here: {absent[0]} is not there; say where with --shared FOLDER")
        return 0
    with ProcessPoolExecutor(given.workers) as pool:
        fit, judge = (known(pool, given.shared, seeds) for seeds in (given.fit, given.judge))
    if given.fit:
        print("\n".join(coefficients(fit)))
    if given.judge:
        table = reliability(judge)
        print(table)
        if given.write:
            put(given.docs / "detection.md", table, _BEGIN, _END)
    return 0


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    parser.add_argument("--fit", type=int, nargs="*", default=[])
    parser.add_argument("--judge", type=int, nargs="*", default=[])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    return parser.parse_args()


def known(pool, shared, seeds):
    """All revisions of the events of these seeds' sets of which is known whether they are true."""
    chosen = [one for one in sets(seeds) if one.tier is not None]
    found = list(pool.map(told, [shared] * len(chosen), chosen))
    return pd.concat(found, ignore_index=True) if found else None


def told(shared, one):
    """The revisions of the peaks of a set that stood to their end, and whether they were true."""
    place = BUILD / one.folder
    make(shared, one, place)
    revisions = backtest.revisions(backtest.read(place / "observations.csv.gz"), DetectionSettings())
    last = {event.id: event for event in revisions}
    standing = [event for event in revisions if last[event.id].stands]
    found = pd.DataFrame([row(event, last[event.id], one) for event in standing])
    _, true, false = judged(Labels.of(one, place), found)
    return found.assign(true=true)[true | false]


def row(event, last, one):
    until = event.peak_at if event.change in {Change.OPENED, Change.UPDATED} else event.end
    return {
        "set": one.name,
        "station": event.station,
        "detected_at": event.detected_at.timestamp(),
        "first": event.change is Change.OPENED,
        "last": event is last,
        "over": event.change is Change.ENDED,
        "alone": Reason.SINGLE_READING in event.reasons,
        "ratio": event.excess / event.noise,
        "minutes": (until - event.onset).total_seconds() / 60,
        "waited": (event.detected_at - event.onset).total_seconds() / 60,
        "said": event.confidence,
    }


def coefficients(found):
    """The lines of gateway/detection/confidence.py."""
    many = found[~found["alone"]]
    for name, shape, rows, length in (
        ("RISING", RISING, many[~many["over"]], "minutes"),
        ("OVER", OVER, many[many["over"]], "minutes"),
        ("TRAILING", TRAILING, found[found["alone"] & found["first"]], "waited"),
    ):
        given = np.array([shape.terms(r, m) for r, m in zip(rows["ratio"], rows[length], strict=True)])
        given[:, 1] *= shape.by_size != 0  # of one reading its size says nothing
        base, size, span = regression(given, rows["true"].to_numpy(float))
        yield f"{name}: base={base:.2f}, by_size={size:.2f}, by_length={span:.2f}, from {len(rows)} revisions"


def regression(given, true):
    """Coefficients of a logistic regression, by Newton's method."""
    found = np.zeros(given.shape[1])
    for _ in range(25):
        p = 1 / (1 + np.exp(-given @ found))
        curvature = (given * (p * (1 - p))[:, None]).T @ given + 1e-6 * np.eye(len(found))
        found = found + np.linalg.solve(curvature, given.T @ (true - p))
    return found


def reliability(found):
    """A table with a row per bin of confidence and a column per group of events."""
    bins = [f"{low:g} to {high:g}" for low, high in pairwise(_EDGES)]
    names = list(dict.fromkeys(found["set"]))
    groups = {"all sets, first revision": found[found["first"]], "all sets, last revision": found[found["last"]]}
    groups |= {f"{name}, first revision": found[found["first"] & (found["set"] == name)] for name in names}
    groups["one reading and its tail"] = found[found["alone"] & found["first"]]
    columns = [column(rows) for rows in groups.values()]
    lines = zip([*bins, "events", "Brier score"], *columns, strict=True)
    return written([list(line) for line in lines], ["confidence", *groups])


def column(rows):
    """For each bin: mean confidence, share that was true, number of events; then number of events and Brier score."""
    said, true = rows["said"].to_numpy(), rows["true"].to_numpy()
    which = np.clip(np.digitize(said, _EDGES) - 1, 0, len(_EDGES) - 2)
    cells = []
    for number in range(len(_EDGES) - 1):
        mine = which == number
        cells.append(f"{said[mine].mean():.2f}: {true[mine].mean():.2f} ({mine.sum()})" if mine.any() else "-")
    brier = float(np.mean((said - true) ** 2)) if len(said) else math.nan
    return [*cells, str(len(said)), f"{brier:.3f}"]


if __name__ == "__main__":
    sys.exit(main())
