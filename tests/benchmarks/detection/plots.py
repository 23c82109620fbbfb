"""Hits, misses and false alarms: how often by size and method, and what those of the shipped detector look like."""

import io

import matplotlib as mpl
import numpy as np
import pandas as pd
from judging import Labels, judge_detections, read_detections
from sets import METHODS

mpl.use("Agg")
from matplotlib import pyplot as plt
from PIL import Image

_SHADES = {"hit": "#1a7f5a", "miss": "#c9851a", "false": "#a5233c"}


def draw_plots(folders, images):
    """One picture of all sets and methods; of each set one with examples. All are small."""
    images.mkdir(parents=True, exist_ok=True)
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "piekwacht", "font.size": 9})
    mpl.rcParams.update({"font.sans-serif": ["DejaVu Sans"], "axes.spines.top": False, "axes.spines.right": False})
    figure, axes = plt.subplots(len(folders), 2, figsize=(9, 2.8 * len(folders)), constrained_layout=True)
    for (labelled_set, folder), (left, right) in zip(folders.items(), axes, strict=True):
        labels, detections = (
            Labels.of(labelled_set, folder),
            {m: read_detections(folder / f"{n}.json") for n, m in enumerate(METHODS)},
        )
        frame, truth = pd.read_csv(folder / "observations.csv.gz"), labels.truth
        days = (len(frame) - len(labels.ignored)) * labelled_set.step / 86_400
        judgements = {m: judge_detections(labels, events) for m, events in detections.items()}
        hit, _, false = judgements[METHODS[0]]
        _plot_by_size(left, truth, hit, labelled_set)
        _plot_by_method(right, {m: (h.mean(), f.sum() / days) for m, (h, _, f) in judgements.items()})
        examples = {"hit": truth[hit], "miss": truth[~hit], "false": detections[METHODS[0]][false]}
        _draw_examples(frame, truth, examples, images / f"examples-{labelled_set.folder}.png")
    figure.savefig(images / "detection.svg", metadata={"Date": None})
    plt.close(figure)


def _draw_examples(frame, truth, examples, path):
    """Three of each kind."""
    figure, axes = plt.subplots(3, 3, figsize=(11, 8), constrained_layout=True)
    rng = np.random.default_rng(1)
    for line, (outcome, candidates) in zip(axes, examples.items(), strict=True):
        for axis, example in zip(
            line, candidates.sample(min(3, len(candidates)), random_state=rng).itertuples(), strict=False
        ):
            _draw_example(axis, frame, example, outcome, truth)
    image = io.BytesIO()
    figure.savefig(image, dpi=80)
    plt.close(figure)
    Image.open(image).convert("RGB").quantize(16).save(path, optimize=True)


def _plot_by_size(axis, truth, hit, labelled_set):
    edges = np.geomspace(truth["snr"].min(), truth["snr"].max(), 13)
    hit_counts, counts = (np.histogram(truth["snr"][mask], edges)[0] for mask in (hit, np.ones(len(hit), bool)))
    axis.stairs(counts, edges, fill=True, color=_SHADES["miss"], label="miss")
    axis.stairs(hit_counts, edges, fill=True, color=_SHADES["hit"], label="hit")
    axis.set_xscale("log")
    axis.minorticks_off()
    axis.set_xticks([t for t in (1, 2, 5, 10, 20, 50, 100, 200) if edges[0] <= t <= edges[-1]])
    axis.xaxis.set_major_formatter("{x:g}")
    axis.set_xlabel("peak, in units of the sensor's noise")
    axis.set_title(f"{labelled_set.name}: hits and misses by size", fontsize=10)
    axis.legend()


def _plot_by_method(axis, figures):
    """Share found against false alarms: up and to the left is better."""
    recalls = [recall for recall, _ in figures.values()]
    tolerance = 0.05 * (max(recalls) - min(recalls))
    for method, (recall, false) in figures.items():
        is_ours = method.startswith("*")
        has_neighbour = any(false < x < false + 1 and abs(y - recall) < tolerance for y, x in figures.values())
        axis.plot(false, recall, "D" if is_ours else "o", color=_SHADES["hit"] if is_ours else "#888")
        annotation_style = {"xytext": (-6, 0), "ha": "right"} if has_neighbour else {"xytext": (4, 3)}
        axis.annotate(method.strip("*"), (false, recall), textcoords="offset points", fontsize=7, **annotation_style)
    axis.set_xlim(0, 1.35 * max(false for _, false in figures.values()))
    axis.locator_params(nbins=5)
    axis.set_xlabel("false alarms a sensor-day")
    axis.set_title("share found", fontsize=10)


def _draw_example(axis, frame, example, outcome, truth):
    nearby = frame[(frame["station"] == example.station) & ((frame["time"] - example.onset).abs() < 5400)].sort_values(
        "time"
    )
    axis.plot(((nearby["time"] - example.onset) / 60).round(2), nearby["value"], color=_SHADES[outcome], lw=1)
    for event in truth[truth["station"] == example.station].itertuples():
        if abs(event.onset - example.onset) < 5400:
            axis.axvspan((event.onset - example.onset) / 60, (event.end - example.onset) / 60, color="#ddd", lw=0)
    title = {"hit": "hit", "miss": "missed", "false": "false alarm, or a real peak"}[outcome]
    axis.set_title(f"{title} (ug/m3, minutes)", fontsize=9)
    axis.tick_params(labelsize=7)
