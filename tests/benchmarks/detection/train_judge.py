"""Train the judge on labelled sets, and write gateway/detection/judge.json.

    tests/benchmarks/detection/train_judge.py --shared ../shared --seeds 61 71 81

The candidates come from the shipped detector itself: it records the features of every reading of a candidate. A reading
is true within a plume that was added, and false outside every plume; it does not count in the quarter of an hour after
one, nor in a strong peak that nobody labelled. Gradient boosting (scikit-learn) then fits shallow trees. The larger an
excess, the higher the answer; the more restless the station, the lower: the trees may not contradict this.
"""

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from judging import Labels, judge_detections
from sets import BUILD, list_missing_files, list_training_sets, make_set
from sklearn.ensemble import HistGradientBoostingClassifier

from gateway.detection.detector import Detector, rows_from_batch
from gateway.detection.judge import JUDGE_FILE
from gateway.detection.kernels.judge import FEATURES, TRACE_COLUMNS
from gateway.detection.records import allocate_changes
from gateway.detection.settings import DetectionSettings
from gateway.evaluation import backtest

DIRECTIONS = {"excess": 1, "noise_ratio": 1, "z": 1, "restlessness": -1}
_LONGEST_CANDIDATE = 40.0  # minutes: plumes of the sets last half an hour at most


def main() -> int:
    options = parse_arguments()
    missing_files = list_missing_files(options.shared)
    if missing_files:
        print(f"nothing to train on: {missing_files[0]} is missing; name its folder with --shared FOLDER")
        return 1
    labelled_sets = list_training_sets(options.seeds)
    with ProcessPoolExecutor(options.workers) as pool:
        frames = list(pool.map(trace_set, [options.shared] * len(labelled_sets), labelled_sets))
    candidates = pd.concat(frames, ignore_index=True)
    model = train(candidates)
    training = {
        "recordings": ", ".join(sorted({labelled_set.recording for labelled_set in labelled_sets})),
        "seeds": " ".join(map(str, options.seeds)),
        "readings": str(len(candidates)),
        "candidates": str(candidates.groupby(["set", "station", "onset"]).ngroups),
    }
    options.output.write_text(format_model(model, training))
    print(f"{len(model._predictors)} trees from {training['readings']} readings in {options.output}", file=sys.stderr)
    return 0


def parse_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[61, 71, 81])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--output", type=Path, default=JUDGE_FILE)
    return parser.parse_args()


def trace_set(shared, labelled_set):
    """The features of the readings of all candidates of a set, with their truth."""
    folder = BUILD / labelled_set.folder
    make_set(shared, labelled_set, folder)
    recording = backtest.read_recording(folder / "observations.csv.gz")
    registry, batch, _ = backtest.analyze_values(recording.values, DetectionSettings())
    rows = rows_from_batch(batch)
    trace = np.zeros((len(batch), TRACE_COLUMNS))
    detector = Detector(DetectionSettings())
    changes = allocate_changes(len(batch), len(registry.datastreams))
    detector.advance(detector.initial(registry), rows._replace(trace=trace), changes)
    judged = np.flatnonzero(trace[:, len(FEATURES)])
    stations = np.array([datastream.station for datastream in registry.datastreams])
    frame = pd.DataFrame(trace[judged, : len(FEATURES)], columns=list(FEATURES)).assign(
        set=labelled_set.folder,
        station=stations[batch.datastream[judged]],
        onset=trace[judged, -1],
        detected_at=batch.observed_at[judged] / 1_000,
    )
    _, true, false = judge_detections(Labels.of(labelled_set, folder), frame)
    return frame.assign(true=true)[true | false]


def train(candidates):
    """The fitted trees; every candidate has about the same weight, however many readings it has."""
    candidates = candidates[candidates["minutes"] <= _LONGEST_CANDIDATE]
    readings = candidates.groupby(["set", "station", "onset"])["z"].transform("size")
    model = HistGradientBoostingClassifier(
        max_iter=200,
        learning_rate=0.05,
        max_leaf_nodes=8,
        min_samples_leaf=100,
        l2_regularization=5,
        early_stopping=False,
        monotonic_cst=[DIRECTIONS.get(feature, 0) for feature in FEATURES],
        random_state=0,
    )
    return model.fit(candidates[list(FEATURES)].to_numpy(), candidates["true"], sample_weight=1 / np.sqrt(readings))


def format_model(model, training):
    """judge.json: a tree a line."""
    base = float(model._baseline_prediction.ravel()[0])
    trees = [[[round(base, 9)]], *(list_nodes(predictors[0].nodes) for predictors in model._predictors)]
    lines = ",\n".join("  " + json.dumps(tree, separators=(",", ":")) for tree in trees)
    head = json.dumps({"features": list(FEATURES), "training": training}, indent=1)[:-2]
    return f'{head},\n "trees": [\n{lines}\n ]\n}}\n'


def list_nodes(nodes):
    """A tree as `gateway.detection.judge.JudgeFile` has it."""
    return [
        [round(float(node["value"]), 9)]
        if node["is_leaf"]
        else [int(node["feature_idx"]), float(f"{node['num_threshold']:.9g}"), int(node["left"]), int(node["right"])]
        for node in nodes
    ]


if __name__ == "__main__":
    sys.exit(main())
