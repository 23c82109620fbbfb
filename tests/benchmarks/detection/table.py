"""The table of docs/detection.md: the shipped detector beside what others would do, on the same labelled sets.

    make benchmark-detection SHARED=../shared         # every set and method, some minutes; writes table and plots

SHARED holds `bench/benchmark.py`, which makes the sets from `data/` and scores them: it is no part of this tree,
because the recordings are not ours. Sets and events are left in build/detection; with --write the table and the plots
(of all methods, and of examples of hits, misses and false alarms) go into docs/.
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
    "false a day",
    "recall, SNR 10+",
    "delay",
    "onset",
    "size",
]
BUILD = Path("build/detection")
BEGIN, END = "<!-- table: make benchmark-detection -->", "<!-- end of table -->"


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
    table = written([row(one, method, s) for (one, method), s in found.items() if one is not UNLABELLED])
    table += "\n\n" + unlabelled({method: n for (one, method), n in found.items() if one is UNLABELLED})
    print(table)
    if given.write:
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


def unlabelled(counts):
    told = ", ".join(f"{method.strip('*')} {n}" for method, n in counts.items())
    return f"Of {UNLABELLED.name}, which nobody labelled, events told: {told}."


def put(document, table, begin=BEGIN, end=END):
    """Between the two marks of a document."""
    text = document.read_text()
    head, mark, rest = text.partition(begin)
    _, other, tail = rest.partition(end)
    if not (mark and other):
        sys.exit(f"{document}: no place for the table; it stands between {begin} and {end}")
    document.write_text(f"{head}{begin}\n{table}\n{end}{tail}")


if __name__ == "__main__":
    sys.exit(main())
