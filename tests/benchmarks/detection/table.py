"""Score the shipped detector and the usual methods on the same labelled sets; write the tables of docs/detection.md.

    make benchmark-detection SHARED=../shared         # every set and method, some minutes; writes tables and plots

SHARED holds `bench/benchmark.py`, which makes the sets from `data/` and scores events. It is not part of this
repository because the recordings belong to others. Sets and events stay in build/detection. With --write the summary,
the full tables and the plots (all methods; examples of hits, misses and false alarms) go into docs/. Without SHARED the
script prints what is missing and writes nothing.
"""

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import plots
from judging import read
from sets import METHODS, OURS, UNLABELLED, find, make, missing, score, sets

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
BUILD = Path("build/detection")
BEGIN, END = "<!-- table: make benchmark-detection -->", "<!-- end of table -->"
SUMMARY_BEGIN, SUMMARY_END = "<!-- summary: make benchmark-detection -->", "<!-- end of summary -->"


def main() -> int:
    given, began = arguments(), time.monotonic()
    absent = missing(given.shared)
    if absent:
        print(f"no benchmark here: {absent[0]} is not there; say where with SHARED=folder, see {Path(__file__).name}")
        return 0
    places = {one: BUILD / one.folder for one in [*sets(given.seeds), UNLABELLED]}
    with ProcessPoolExecutor(given.workers) as pool:
        list(pool.map(make, [given.shared] * len(places), places, places.values()))
        asked = [(one, method) for one in places for method in METHODS if wanted(given, one, method)]
        waiting = {(one, m): pool.submit(judged, given.shared, one, places[one], m) for one, m in asked}
        found = {which: answer.result() for which, answer in waiting.items()}
    scores = {which: score_ for which, score_ in found.items() if which[0] is not UNLABELLED}
    summary = summary_table(scores, given.seeds)
    table = written([row(one, method, s) for (one, method), s in scores.items()])
    table += "\n\n" + unlabelled({method: n for (one, method), n in found.items() if one is UNLABELLED})
    print(summary, table, sep="\n\n")
    if given.write:
        put(given.docs / "detection.md", summary, SUMMARY_BEGIN, SUMMARY_END)
        put(given.docs / "detection.md", table)
    labelled = {one: place for one, place in places.items() if one.seed == given.seeds[0]}
    plots.draw(labelled, given.docs / "images" if given.write else BUILD)
    print(f"{len(found)} runs in {time.monotonic() - began:.0f} s; sets in {BUILD}", file=sys.stderr)
    return 0


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 41, 42])
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--write", action="store_true")
    return parser.parse_args()


def wanted(given, one, method):
    """The other methods are judged on the first seed only: they are slow, and do not change."""
    return method == OURS or one.seed in {None, given.seeds[0]}


def judged(shared, one, place, method):
    """The score of a method on a set; where nothing is labelled the number of events."""
    found = find(one, place, method)
    return len(read(found)) if one == UNLABELLED else score(shared, one, place, found)


def row(one, method, s):
    high = [s.get(f"recall_snr_{t}") for t in ("10_20", "20_up") if s.get(f"recall_snr_{t}") is not None]
    sure = f"{sum(high) / len(high):.2f}" if high else "-"
    shares = [f"{s[k]:.3f}" for k in ("recall", "precision", "f1")]
    seconds = [f"{s[k]:.0f} s" if s.get(k) is not None else "-" for k in ("median_delay_s", "median_onset_error_s")]
    size = "-" if s.get("median_excess_ratio") is None else f"{s['median_excess_ratio']:.2f}"
    first = [one.name, "-" if one.seed is None else str(one.seed), method]
    return [*first, *shares, f"{s['false_per_sensor_day']:.2f}", sure, *seconds, size]


def written(rows, columns=COLUMNS):
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def summary_table(scores, seeds):
    """One row per kind of set: ours on the hold-out seeds (all but the first), the best other method on the first."""
    names = list(dict.fromkeys(labelled.name for labelled, _ in scores))
    return written([summary_row(name, scores, seeds) for name in names], SUMMARY_COLUMNS)


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


def unlabelled(counts):
    """The numbers of events on the set without labels, as a table."""
    heading = [f"{UNLABELLED.name} (no labels)", "events reported"]
    return written([[method, str(number)] for method, number in counts.items()], heading)


def put(document, table, begin=BEGIN, end=END):
    """Replace what stands between the two marks of a document."""
    text = document.read_text()
    head, mark, rest = text.partition(begin)
    _, other, tail = rest.partition(end)
    if not (mark and other):
        sys.exit(f"{document}: no place for the table: the marks {begin} and {end} are missing")
    document.write_text(f"{head}{begin}\n{table}\n{end}{tail}")


if __name__ == "__main__":
    sys.exit(main())
