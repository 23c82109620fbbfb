"""The table of docs/detection.md: the shipped detector beside what others would do, on the same labelled sets.

    make benchmark-detection SHARED=../shared         # every set and method, a few minutes; prints the table

SHARED holds `bench/benchmark.py`, which makes the sets from `data/` and scores them: it is no part of this tree,
because the recordings are not ours. With --write the table and the plots go into docs/.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import plots
from baselines import BASELINES, events

SETS = [
    ("small peaks, 150 s", "pm_aberdeen_2019.csv.gz", 150, "small"),
    ("industrial peaks, 150 s", "pm_aberdeen_2019.csv.gz", 150, "industrial"),
    ("industrial peaks, 60 s", "pm_rtp_2019_1min.csv.gz", 60, "industrial"),
]
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
BEGIN, END = "<!-- table: make benchmark-detection -->", "<!-- end of table -->"


def main() -> None:
    given = arguments()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, recording, step, tier in SETS:
            for seed in given.seeds:
                place = Path(folder) / f"{step}-{tier}-{seed}"
                background = given.shared / "data" / recording
                how = ["--step", step, "--tier", tier, "--seed", seed, "--out", place]
                call(given.shared, "make", "--background", background, *how)
                rows += compared(given, name, step, seed, place)
        table = written(rows)
        print(table)
        if given.write:
            put(given.docs / "detection.md", table)
            plots.draw(Path(folder), given.docs / "images")


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 11, 12])
    parser.add_argument("--write", action="store_true")
    return parser.parse_args()


def compared(given, name, step, seed, place):
    """One row a method; the baselines on the first seed only, they are slow."""
    found = place / "peaks.json"
    backtest = [sys.executable, "-m", "gateway", "backtest", place / "observations.csv.gz", "--output", found]
    subprocess.run(backtest, check=True, stdout=subprocess.DEVNULL)
    rows = [row(name, seed, "**Piekwacht**", score(given, place, found, step))]
    if seed != given.seeds[0]:
        return rows
    frame = pd.read_csv(place / "observations.csv.gz").sort_values(["station", "time"])
    for baseline in BASELINES:
        other = place / "other.json"
        other.write_text(json.dumps(events(frame, baseline, step)))
        rows.append(row(name, seed, baseline.name, score(given, place, other, step)))
    return rows


def call(shared, *words):
    script = shared / "bench" / "benchmark.py"
    return subprocess.run([sys.executable, script, *map(str, words)], check=True, capture_output=True, text=True).stdout


def score(given, place, found, step):
    return json.loads(call(given.shared, "score", "--dir", place, "--events", found, "--step", step))


def row(name, seed, method, s):
    sure = sum(s[f"recall_snr_{t}"] or 0 for t in ("10_20", "20_up")) / max(
        1, sum(s[f"recall_snr_{t}"] is not None for t in ("10_20", "20_up"))
    )
    shares = [f"{s[k]:.3f}" for k in ("recall", "precision", "f1")]
    seconds = [f"{s.get(k) or 0:.0f} s" for k in ("median_delay_s", "median_onset_error_s")]
    size = f"{s.get('median_excess_ratio') or 0:.2f}"
    return [name, str(seed), method, *shares, f"{s['false_per_sensor_day']:.2f}", f"{sure:.2f}", *seconds, size]


def written(rows):
    lines = [COLUMNS, ["---"] * len(COLUMNS), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def put(document, table):
    text = document.read_text()
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    document.write_text(f"{head}{BEGIN}\n{table}\n{END}{tail}")


if __name__ == "__main__":
    main()
