"""Compare preliminary marks with the events that followed; fit the confidence of marks.

    .venv/bin/python tests/benchmarks/detection/preliminary.py --shared ../shared --fit 91 --judge 92 --write

Sets are made with the given seeds (see table.py); a seed cannot both fit and judge. A mark is confirmed if an event of
its datastream opens while it holds or with the next reading. For `--fit` it prints the coefficients of
gateway/detection/preliminary.py. For `--judge` it prints two tables, and --write puts them into docs/detection.md: how
many marks there are and how much sooner than the event; confidence against the share that was confirmed. Run it again
after each training of the judge, as the confidence of a candidate is made from its answer.
"""

import argparse
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from confidence import fit_regression
from sets import UNLABELLED, list_missing_files, list_training_sets, make_set
from table import BUILD, format_table, insert_table

from gateway.detection.detector import Detector, rows_from_batch
from gateway.detection.preliminary import LEAST_CONFIDENCE, estimate_confidence, find_rises
from gateway.detection.records import OPENED, PEAK, allocate_changes
from gateway.detection.settings import DetectionSettings
from gateway.evaluation import backtest

_EDGES = [LEAST_CONFIDENCE, 0.3, 0.4, 0.5, 0.6, 0.7, 1.0]
_MAX_ROWS = 4_096  # of one call of the detector
_PATIENCE = 1.5  # intervals until the next reading
_FINE_PATIENCE_MS = 5_000
_MIN_RATIO, _MAX_RATIO = 1.0, 12.0
_BEGIN, _END = "<!-- table: preliminary.py -->", "<!-- end of preliminary -->"


def main() -> int:
    options = parse_arguments()
    if set(options.fit) & set(options.judge):
        sys.exit("a seed that fits does not judge")
    missing_files = list_missing_files(options.shared)
    if missing_files:
        print(f"no benchmark here: {missing_files[0]} is not there; say where with --shared FOLDER")
        return 0
    judging_sets = [*list_training_sets(options.judge), UNLABELLED] if options.judge else []
    labelled_sets = [*list_training_sets(options.fit), *judging_sets]
    with ProcessPoolExecutor(options.workers) as pool:
        frames = dict(
            zip(labelled_sets, pool.map(trace_set, [options.shared] * len(labelled_sets), labelled_sets), strict=True)
        )
    if options.fit:
        rises = pd.concat([rises for labelled_set, (rises, _) in frames.items() if labelled_set.seed in options.fit])
        print("\n".join(format_coefficients(rises)))
    if judging_sets:
        tables = [format_marks(frames, judging_sets), format_reliability(frames, judging_sets)]
        print(*tables, sep="\n\n")
        if options.write:
            insert_table(options.docs / "detection.md", "\n\n".join(tables), _BEGIN, _END)
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


def trace_set(shared, labelled_set):
    """(each rise after each reading, days of all sensors); a rise has the moment of the event that followed."""
    if labelled_set == UNLABELLED:
        path = shared / "data" / UNLABELLED.recording
    else:
        folder = BUILD / labelled_set.folder
        make_set(shared, labelled_set, folder)
        path = folder / "observations.csv.gz"
    registry, batch, _ = backtest.analyze_values(backtest.read_recording(path).values, DetectionSettings())
    rises, opened = trace_rises(batch, registry)
    frame = pd.DataFrame(rises)
    frame["run"] = number_runs(frame)
    frame["opened_at"] = find_openings(frame, opened)
    covered = batch.observed_at // 3_600_000  # recordings have gaps of weeks
    sensor_hours = len(np.unique(np.stack([batch.datastream, covered]), axis=1).T)
    return frame.assign(set=labelled_set.name, recording=labelled_set.folder), sensor_hours / 24


def trace_rises(batch, registry):
    """Each rise after each reading, and [slot, moment] of each peak that opened."""
    detector, rows = Detector(DetectionSettings()), rows_from_batch(batch)
    states = detector.initial(registry)
    changes = allocate_changes(_MAX_ROWS, len(registry.datastreams))
    times, rises, opened = batch.observed_at, [], []
    for begin, end in split_by_datastream(batch.datastream):
        part = rows._replace(**{name: getattr(rows, name)[begin:end] for name in ("slots", "at", "value", "flags")})
        part = part._replace(wind=rows.wind[begin:end]) if len(rows.wind) else part
        count = detector.advance(states, part, changes)
        opened += [
            (int(change["slot"]), int(times[begin + change["row"]]))
            for change in changes[:count]
            if change["change_code"] == OPENED and change["kind"] == PEAK
        ]
        for rise in find_rises(detector, states, np.unique(part.slots)):
            gap_ms = int(states.streams[rise.slot]["gap_ms"])
            rises.append({
                "slot": rise.slot, "at": rise.observed_at, "ratio": rise.ratio, "log_odds": rise.log_odds,
                "stated": estimate_confidence(rise), "gap": gap_ms,
            })  # fmt: skip
    return rises, opened


def split_by_datastream(slots) -> Iterator[tuple[int, int]]:
    """Parts of successive rows in which no datastream has two: after each part the state is that of its readings."""
    begin, seen = 0, set()
    for row, slot in enumerate(slots.tolist()):
        if slot in seen or row - begin == _MAX_ROWS:
            yield begin, row
            begin, seen = row, set()
        seen.add(slot)
    yield begin, len(slots)


def number_runs(frame):
    """A number per mark: readings of one datastream that rise one after the other."""
    step = frame.groupby("slot")["at"].diff()
    begins = ~(step <= patience_of(frame))
    return begins.astype(int).groupby(frame["slot"]).cumsum()


def patience_of(frame):
    return np.maximum(_PATIENCE * frame["gap"], _FINE_PATIENCE_MS)


def find_openings(frame, opened):
    """The moment of the event that opened during each run or with the reading after it; NaN without one."""
    moments = {}
    for slot, at in opened:
        moments.setdefault(slot, []).append(at)
    openings = pd.Series(np.nan, frame.index)
    for (slot, _), run in frame.groupby(["slot", "run"]):
        since, until = run["at"].iloc[0], run["at"].iloc[-1] + patience_of(run).iloc[-1]
        openings[run.index] = next((at for at in moments.get(slot, ()) if since < at <= until), np.nan)
    return openings


def format_coefficients(rises):
    """The constants of gateway/detection/preliminary.py; a mark counts once, however many readings it has."""
    confirmed = rises["opened_at"].notna().to_numpy(float)
    first = ~rises.duplicated(["recording", "slot", "run"]).to_numpy()
    is_candidate = rises["log_odds"].notna().to_numpy()
    ratios = np.log(rises["ratio"].clip(_MIN_RATIO, _MAX_RATIO))
    candidates = rises[is_candidate].drop_duplicates(["recording", "slot", "run"])
    for name, terms, true in (
        ("RISE", ratios[first & ~is_candidate], confirmed[first & ~is_candidate]),
        ("CANDIDATE", candidates["log_odds"], candidates["opened_at"].notna().to_numpy(float)),
    ):
        columns = np.column_stack([np.ones(len(terms)), terms.to_numpy(float)])
        intercept, coefficient = fit_regression(columns, true)
        yield f"{name}: intercept={intercept:.2f}, coefficient={coefficient:.2f}, from {len(terms)} marks"


def first_marks(frame):
    """The first reading of each mark: one of LEAST_CONFIDENCE or more."""
    return frame[frame["stated"] >= LEAST_CONFIDENCE].drop_duplicates(["slot", "run"])


def format_marks(frames, labelled_sets):
    rows = []
    for labelled_set in labelled_sets:
        rises, days = frames[labelled_set]
        marks = first_marks(rises)
        lead = ((marks["opened_at"] - marks["at"]) / 1_000).dropna()
        name = f"{labelled_set.name}{'' if labelled_set.seed is None else f', seed {labelled_set.seed}'}"
        leads = f"{lead.median():.0f} s; {lead.quantile(0.95):.0f} s"
        share = f"{marks['opened_at'].notna().mean():.2f}"
        rows.append([name, f"{len(marks) / days:.2f}", share, leads])
    return format_table(rows, ["set", "marks per sensor-day", "became an event", "sooner than it: median; 95 %"])


def format_reliability(frames, labelled_sets):
    """A row per bin of confidence and a column per set, of the first reading of each mark."""
    columns = [format_column(first_marks(frames[labelled_set][0])) for labelled_set in labelled_sets]
    bins = [f"{low:g} to {high:g}" for low, high in pairwise(_EDGES)]
    rows = [list(row) for row in zip(bins, *columns, strict=True)]
    return format_table(rows, ["confidence", *(labelled_set.name for labelled_set in labelled_sets)])


def format_column(marks):
    """For each bin: mean confidence, share that became an event, number of marks."""
    bins = np.clip(np.digitize(marks["stated"], _EDGES) - 1, 0, len(_EDGES) - 2)
    cells = []
    for number in range(len(_EDGES) - 1):
        rows = marks[bins == number]
        share = rows["opened_at"].notna().mean()
        cells.append(f"{rows['stated'].mean():.2f}: {share:.2f} ({len(rows)})" if len(rows) else "-")
    return cells


if __name__ == "__main__":
    sys.exit(main())
