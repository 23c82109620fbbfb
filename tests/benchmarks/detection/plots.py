"""Hits, misses and false alarms: how often by size and method, and what those of the shipped detector look like."""

import io

import matplotlib as mpl
import numpy as np
import pandas as pd
from judging import Labels, judged, read
from sets import METHODS

mpl.use("Agg")
from matplotlib import pyplot as plt
from PIL import Image

_SHADES = {"hit": "#1a7f5a", "miss": "#c9851a", "false": "#a5233c"}


def draw(places, images):
    """One picture of all sets and methods; of each set one with examples. All are small."""
    images.mkdir(parents=True, exist_ok=True)
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "piekwacht", "font.size": 9})
    mpl.rcParams.update({"font.sans-serif": ["DejaVu Sans"], "axes.spines.top": False, "axes.spines.right": False})
    figure, axes = plt.subplots(len(places), 2, figsize=(9, 2.8 * len(places)), constrained_layout=True)
    for (one, place), (left, right) in zip(places.items(), axes, strict=True):
        labels, found = Labels.of(one, place), {m: read(place / f"{n}.json") for n, m in enumerate(METHODS)}
        frame, truth = pd.read_csv(place / "observations.csv.gz"), labels.truth
        days = (len(frame) - len(labels.ignored)) * one.step / 86_400
        verdicts = {m: judged(labels, events) for m, events in found.items()}
        hit, _, false = verdicts[METHODS[0]]
        _by_size(left, truth, hit, one)
        _by_method(right, {m: (h.mean(), f.sum() / days) for m, (h, _, f) in verdicts.items()})
        chosen = {"hit": truth[hit], "miss": truth[~hit], "false": found[METHODS[0]][false]}
        _examples(frame, truth, chosen, images / f"examples-{one.folder}.png")
    figure.savefig(images / "detection.svg", metadata={"Date": None})
    plt.close(figure)


def _examples(frame, truth, chosen, path):
    """Three of each kind."""
    figure, axes = plt.subplots(3, 3, figsize=(11, 8), constrained_layout=True)
    rng = np.random.default_rng(1)
    for line, (what, all_) in zip(axes, chosen.items(), strict=True):
        for axis, example in zip(line, all_.sample(min(3, len(all_)), random_state=rng).itertuples(), strict=False):
            _example(axis, frame, example, what, truth)
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=80)
    plt.close(figure)
    Image.open(drawn).convert("RGB").quantize(16).save(path, optimize=True)


def _by_size(axis, truth, hit, one):
    edges = np.geomspace(truth["snr"].min(), truth["snr"].max(), 13)
    found, all_ = (np.histogram(truth["snr"][mask], edges)[0] for mask in (hit, np.ones(len(hit), bool)))
    axis.stairs(all_, edges, fill=True, color=_SHADES["miss"], label="miss")
    axis.stairs(found, edges, fill=True, color=_SHADES["hit"], label="hit")
    axis.set_xscale("log")
    axis.minorticks_off()
    axis.set_xticks([t for t in (1, 2, 5, 10, 20, 50, 100, 200) if edges[0] <= t <= edges[-1]])
    axis.xaxis.set_major_formatter("{x:g}")
    axis.set_xlabel("peak, in units of the sensor's noise")
    axis.set_title(f"{one.name}: hits and misses by size", fontsize=10)
    axis.legend()


def _by_method(axis, figures):
    """Share found against false alarms: up and to the left is better."""
    recalls = [recall for recall, _ in figures.values()]
    near = 0.05 * (max(recalls) - min(recalls))
    for method, (recall, false) in figures.items():
        ours = method.startswith("*")
        beside = any(false < x < false + 1 and abs(y - recall) < near for y, x in figures.values())
        axis.plot(false, recall, "D" if ours else "o", color=_SHADES["hit"] if ours else "#888")
        where = {"xytext": (-6, 0), "ha": "right"} if beside else {"xytext": (4, 3)}
        axis.annotate(method.strip("*"), (false, recall), textcoords="offset points", fontsize=7, **where)
    axis.set_xlim(0, 1.35 * max(false for _, false in figures.values()))
    axis.locator_params(nbins=5)
    axis.set_xlabel("false alarms a sensor-day")
    axis.set_title("share found", fontsize=10)


def _example(axis, frame, one, what, truth):
    near = frame[(frame["station"] == one.station) & ((frame["time"] - one.onset).abs() < 5400)].sort_values("time")
    axis.plot(((near["time"] - one.onset) / 60).round(2), near["value"], color=_SHADES[what], lw=1)
    for event in truth[truth["station"] == one.station].itertuples():
        if abs(event.onset - one.onset) < 5400:
            axis.axvspan((event.onset - one.onset) / 60, (event.end - one.onset) / 60, color="#ddd", lw=0)
    title = {"hit": "hit", "miss": "missed", "false": "false alarm, or a real peak"}[what]
    axis.set_title(f"{title} (ug/m3, minutes)", fontsize=9)
    axis.tick_params(labelsize=7)
