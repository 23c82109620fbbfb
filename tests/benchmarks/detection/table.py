"""Score the shipped detector and the usual methods on the same labelled sets; write the tables of docs/detection.md.

    make benchmark-detection SHARED=../shared         # every set and method, some minutes; writes tables and plots

SHARED holds `bench/benchmark.py`, which makes the sets from `data/` and scores events. It is not part of this
repository because the recordings belong to others. Sets and events stay in build/detection. With --write the summary,
the full tables and the plots (all methods; examples of hits, misses and false alarms) go into docs/. The same command
compares the judge with a larger reference across seasons and cities, at fixed rates of false alarms (folds.py), unless
--no-folds is given. Without SHARED the script prints what is missing and writes nothing.
"""

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import folds
import plots
from judging import read_detections
from markdown import format_table, insert_table
from sets import BUILD, METHODS, OURS, UNLABELLED, detect, list_missing_files, list_sets, make_set, score

COLUMNS = [
    "set",
    "seed",
    "method",
    "recall",
    "precision",
    "F1",
    "false alarms per sensor-day",
    "recall, SNR 10+",
    "delay",
    "onset error",
    "size ratio",
]
SUMMARY_COLUMNS = [
    "set",
    "seeds",
    "recall",
    "precision",
    "F1",
    "false alarms per sensor-day",
    "delay",
    "goal",
    "best other method (F1; false alarms per sensor-day)",
]
GOALS = {
    "small peaks, 150 s": "F1 0.52",
    "industrial peaks, 150 s": "recall 0.97",
    "industrial peaks, 60 s": "recall 0.98",
}
BEGIN, END = "<!-- table: make benchmark-detection -->", "<!-- end of table -->"
SUMMARY_BEGIN, SUMMARY_END = "<!-- summary: make benchmark-detection -->", "<!-- end of summary -->"


def main() -> int:
    options, started = parse_arguments(), time.monotonic()
    missing_files = list_missing_files(options.shared)
    if missing_files:
        print(
            f"no benchmark: {missing_files[0]} is missing; name its folder by SHARED=folder, see {Path(__file__).name}"
        )
        return 0
    folders = {labelled_set: BUILD / labelled_set.folder for labelled_set in [*list_sets(options.seeds), UNLABELLED]}
    with ProcessPoolExecutor(options.workers) as pool:
        list(pool.map(make_set, [options.shared] * len(folders), folders, folders.values()))
        tasks = [
            (labelled_set, method)
            for labelled_set in folders
            for method in METHODS
            if is_due(options, labelled_set, method)
        ]
        futures = {
            (labelled_set, m): pool.submit(score_method, options.shared, labelled_set, folders[labelled_set], m)
            for labelled_set, m in tasks
        }
        results = {task: future.result() for task, future in futures.items()}
    scores = {task: score_ for task, score_ in results.items() if task[0] is not UNLABELLED}
    summary = summary_table(scores, options.seeds)
    table = format_table([format_row(labelled_set, method, s) for (labelled_set, method), s in scores.items()], COLUMNS)
    table += "\n\n" + describe_unlabelled(
        {method: n for (labelled_set, method), n in results.items() if labelled_set is UNLABELLED}
    )
    print(summary, table, sep="\n\n")
    if options.write:
        insert_table(options.docs / "detection.md", summary, SUMMARY_BEGIN, SUMMARY_END)
        insert_table(options.docs / "detection.md", table, BEGIN, END)
    labelled = {
        labelled_set: folder for labelled_set, folder in folders.items() if labelled_set.seed == options.seeds[0]
    }
    plots.draw_plots(labelled, options.docs / "images" if options.write else BUILD)
    if options.folds:
        folds.write_folds(options.shared, options.docs if options.write else None, options.workers)
    print(f"{len(results)} runs in {time.monotonic() - started:.0f} s; sets in {BUILD}", file=sys.stderr)
    return 0


def parse_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 41, 42])
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--no-folds", dest="folds", action="store_false", help="leave out the larger reference")
    return parser.parse_args()


def is_due(options, labelled_set, method):
    """The other methods are judged on the first seed only: they are slow, and do not change."""
    return method == OURS or labelled_set.seed in {None, options.seeds[0]}


def score_method(shared, labelled_set, folder, method):
    """The score of a method on a set; where nothing is labelled the number of events."""
    detections = detect(labelled_set, folder, method)
    return (
        len(read_detections(detections))
        if labelled_set == UNLABELLED
        else score(shared, labelled_set, folder, detections)
    )


def format_row(labelled_set, method, s):
    high = [s.get(f"recall_snr_{t}") for t in ("10_20", "20_up") if s.get(f"recall_snr_{t}") is not None]
    strong_recall = f"{sum(high) / len(high):.2f}" if high else "-"
    shares = [f"{s[k]:.3f}" for k in ("recall", "precision", "f1")]
    seconds = [f"{s[k]:.0f} s" if s.get(k) is not None else "-" for k in ("median_delay_s", "median_onset_error_s")]
    size = "-" if s.get("median_excess_ratio") is None else f"{s['median_excess_ratio']:.2f}"
    first = [labelled_set.name, "-" if labelled_set.seed is None else str(labelled_set.seed), method]
    return [*first, *shares, f"{s['false_per_sensor_day']:.2f}", strong_recall, *seconds, size]


def summary_table(scores, seeds):
    """One row per kind of set: ours on the hold-out seeds (all but the first), the best other method on the first."""
    names = list(dict.fromkeys(labelled.name for labelled, _ in scores))
    return format_table([summary_row(name, scores, seeds) for name in names], SUMMARY_COLUMNS)


def summary_row(name, scores, seeds):
    judging_seeds = {*(seeds[1:] or seeds), None}
    ours = {x.seed: s for (x, method), s in scores.items() if x.name == name and method == OURS}
    ours = {seed: s for seed, s in ours.items() if seed in judging_seeds}
    others = {method: s for (x, method), s in scores.items() if x.name == name and method != OURS}

    def each(key, form):
        return " and ".join(format(s[key], form) for s in ours.values())

    delay = " and ".join(f"{s['median_delay_s']:.0f} s" for s in ours.values() if s.get("median_delay_s") is not None)
    best = max(others, key=lambda method: others[method]["f1"], default=None)
    other = f"{best} ({others[best]['f1']:.3f}; {others[best]['false_per_sensor_day']:.2f})" if best else "-"
    shares = [each(key, ".3f") for key in ("recall", "precision", "f1")]
    used = " and ".join(str(seed) for seed in ours if seed is not None) or "-"
    return [name, used, *shares, each("false_per_sensor_day", ".2f"), delay or "-", GOALS.get(name, "-"), other]


def describe_unlabelled(counts):
    """The numbers of events on the set without labels, as a table."""
    heading = [f"{UNLABELLED.name} (no labels)", "events reported"]
    return format_table([[method, str(number)] for method, number in counts.items()], heading)


if __name__ == "__main__":
    sys.exit(main())
