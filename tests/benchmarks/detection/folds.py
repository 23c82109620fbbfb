"""The judge beside a larger reference, each fitted on one recording or period and judged on another; docs/detection.md.

    make benchmark-detection SHARED=../shared                       # together with all other tables
    tests/benchmarks/detection/folds.py --shared ../shared --write  # only this one

Across seasons: March of Aberdeen and its April, each for the other. Across cities: Aberdeen for Research Triangle Park,
which has another interval, and the other way round. In each fold two methods are fitted on the candidates of the fit
side:

    judge       the shipped method: ten features and 200 shallow trees with fixed directions
    reference   35 causal features and 400 larger trees without directions (quantiles, steps and noise of the last half
                hour to the last half day)

Both answer at every reading of a candidate; the first answer above a limit is an alarm. The limit is the one that gives
0.3, 0.5 or 0.7 false alarms per sensor-day on the judged side, so that methods are compared at the same cost.
"""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from markdown import format_table, insert_table
from sets import BUILD, LabelledSet, list_missing_files, make_set
from sklearn.ensemble import HistGradientBoostingClassifier
from train_judge import trace_set, train

from gateway.detection.kernels.judge import FEATURES

RATES = (0.3, 0.5, 0.7)  # false alarms per sensor-day
_BEGIN, _END = "<!-- table: folds.py -->", "<!-- end of folds -->"
_SPANS = ("30min", "2h", "12h")
_LAGS = (1, 2, 3, 4, 6, 8, 12, 24)
_SEEDS = (61,)
_APRIL = 1_554_076_800.0  # s: 1 April 2019
ABERDEEN, PARK = "pm_aberdeen_2019.csv.gz", "pm_rtp_2019_1min.csv.gz"


@dataclass(frozen=True, kw_only=True)
class Side:
    """One side of a fold: readings of candidates, true events and sensor-days."""

    readings: pd.DataFrame
    events: int
    days: float


def main() -> int:
    options = parse_arguments()
    missing_files = list_missing_files(options.shared)
    if missing_files:
        print(f"no folds: {missing_files[0]} is missing; name its folder with --shared FOLDER")
        return 0
    write_folds(options.shared, options.docs if options.write else None, options.workers)
    return 0


def write_folds(shared, docs, workers):
    """Print the table of all folds; write it into the folder `docs` unless it is None."""
    labelled_sets = [
        LabelledSet(name=f"{tier}", recording=recording, step=step, tier=tier, seed=seed)
        for recording, step in ((ABERDEEN, 150), (PARK, 60))
        for tier in ("small", "industrial")
        for seed in _SEEDS
    ]
    with ProcessPoolExecutor(workers) as pool:
        loaded = dict(zip(labelled_sets, pool.map(load, [shared] * len(labelled_sets), labelled_sets), strict=True))
    table = format_table([row for fold in list_folds(loaded) for row in judge_fold(*fold)], COLUMNS)
    print(table)
    if docs is not None:
        insert_table(docs / "detection.md", table, _BEGIN, _END)


COLUMNS = ["fitted on", "judged on", "peaks", "method", *(f"F1 (recall) at {rate}" for rate in RATES)]


def parse_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    return parser.parse_args()


def load(shared, labelled_set):
    """(readings of candidates with all features, truth, times of all observations) of a set."""
    folder = BUILD / labelled_set.folder
    make_set(shared, labelled_set, folder)
    traced = trace_set(shared, labelled_set)
    observations = pd.read_csv(folder / "observations.csv.gz")
    truth = pd.read_csv(folder / "truth.csv")
    readings = pd.concat([add_history(traced, station, rows) for station, rows in observations.groupby("station")])
    readings["event"] = find_events(readings, truth, labelled_set.step)
    return readings.reset_index(drop=True), truth, observations["time"].to_numpy(), labelled_set.step


def add_history(traced, station, rows):
    """The readings of a station's candidates, with features of the day before them."""
    rows = rows.sort_values("time")
    values = pd.Series(rows["value"].to_numpy(), index=pd.to_datetime(rows["time"].to_numpy(), unit="s"))
    before, changes = values.shift(1), values.diff().abs().shift(1)
    columns = {}
    for span in _SPANS:
        window = before.rolling(span, min_periods=3)
        for quantile in (0.1, 0.5, 0.9):
            columns[f"above_{quantile}_{span}"] = values - window.quantile(quantile)
        columns[f"noise_{span}"] = changes.rolling(span, min_periods=3).median()
        columns[f"deviation_{span}"] = window.std()
    columns |= {f"change_{lag}": values - values.shift(lag) for lag in _LAGS}
    columns |= {"value": values, "hour": pd.Series((rows["time"].to_numpy() / 3600) % 24, index=values.index)}
    history = pd.DataFrame(columns).assign(detected_at=rows["time"].to_numpy().astype(float))
    own = traced[traced["station"] == station]
    return own.merge(history, on="detected_at", how="left")


def find_events(readings, truth, step):
    """The number of the true event of each reading; -1 for a false one."""
    post, numbers = max(2 * step, 120), np.full(len(readings), -1)
    at, stations = readings["detected_at"].to_numpy(), readings["station"].to_numpy()
    for number, event in enumerate(truth.itertuples()):
        inside = (stations == event.station) & (event.onset - step <= at) & (at <= event.end + post)
        numbers[inside] = number
    return numbers


def list_folds(loaded):
    """(fitted on, judged on, peaks, fit side, judged side)."""
    for tier in ("small", "industrial"):
        aberdeen = [(s, v) for s, v in loaded.items() if s.recording == ABERDEEN]
        park = [(s, v) for s, v in loaded.items() if s.recording == PARK]
        for name, other, is_first in (("March", "April", True), ("April", "March", False)):
            fit = [take(v, _APRIL, first=is_first) for _, v in aberdeen]
            judged = [take(v, _APRIL, first=not is_first) for s, v in aberdeen if s.tier == tier]
            yield f"Aberdeen, {name}", f"Aberdeen, {other}", tier, join(fit), join(judged)
        everything = [take(v, np.inf, first=True) for _, v in aberdeen]
        judged = [take(v, np.inf, first=True) for s, v in park if s.tier == tier]
        yield "Aberdeen", "Research Triangle Park", tier, join(everything), join(judged)
        everything = [take(v, np.inf, first=True) for _, v in park]
        judged = [take(v, np.inf, first=True) for s, v in aberdeen if s.tier == tier]
        yield "Research Triangle Park", "Aberdeen", tier, join(everything), join(judged)


def take(loaded, middle, *, first):
    readings, truth, times, step = loaded
    chosen = (readings["detected_at"] < middle) == first
    return Side(
        readings=readings[chosen],
        events=int(((truth["onset"] < middle) == first).sum()),
        days=float(((times < middle) == first).sum() * step / 86_400),
    )


def join(sides):
    """Several sides as one; the numbers of their events stay apart."""
    readings = [side.readings.assign(event=side.readings["event"] + 100_000 * (k + 1)) for k, side in enumerate(sides)]
    return Side(
        readings=pd.concat(readings), events=sum(s.events for s in sides), days=sum(side.days for side in sides)
    )


def judge_fold(fitted_on, judged_on, tier, fit, judged):
    """A row of the table for each method."""
    all_features = [
        name for name in fit.readings.columns if name not in {"set", "station", "onset", "detected_at", "true", "event"}
    ]
    ours = train(fit.readings)
    reference = HistGradientBoostingClassifier(
        max_iter=400,
        learning_rate=0.05,
        max_leaf_nodes=31,
        min_samples_leaf=60,
        l2_regularization=5,
        early_stopping=False,
        random_state=0,
    )
    size = fit.readings.groupby(["set", "station", "onset"])["z"].transform("size")
    reference.fit(fit.readings[all_features], fit.readings["true"], sample_weight=1 / np.sqrt(size))
    answers = {
        "judge": ours.predict_proba(judged.readings[list(FEATURES)].to_numpy())[:, 1],
        "reference": reference.predict_proba(judged.readings[all_features])[:, 1],
    }
    for method, answer in answers.items():
        scores = [score_at(judged, answer, rate) for rate in RATES]
        yield [fitted_on, judged_on, tier, method, *(f"{f1:.3f} ({recall:.3f})" for f1, recall in scores)]


def score_at(side, answer, rate):
    """(F1, recall) with the limit that gives this many false alarms per sensor-day, or less if there are no more."""
    readings = side.readings.assign(answer=answer)
    best = 0.0, 0.0
    for limit in np.quantile(answer, np.linspace(0.99, 0.0, 120)):
        alarms = readings[readings["answer"] > limit].drop_duplicates(["set", "station", "onset"])
        false = int((~alarms["true"]).sum())
        if false > rate * side.days:
            break
        hits = alarms.loc[alarms["true"], "event"].nunique()
        recall, precision = hits / side.events, hits / max(1, hits + false)
        best = 2 * recall * precision / max(1e-9, recall + precision), recall
    return best


if __name__ == "__main__":
    sys.exit(main())
