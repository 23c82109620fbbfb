"""Hits, misses and false alarms of the shipped detector: how often by size, and what they look like."""

import json

import matplotlib as mpl
import numpy as np
import pandas as pd

mpl.use("Agg")
from matplotlib import pyplot as plt

_SHADES = {"hit": "#1a7f5a", "miss": "#c9851a", "false": "#a5233c"}


def draw(folder, images):
    """One picture a kind of set, from the first of its seeds."""
    images.mkdir(exist_ok=True)
    kinds = {}
    for place in sorted(folder.iterdir()):
        kinds.setdefault(place.name.rpartition("-")[0], place)
    for kind, place in kinds.items():
        _draw(place, int(kind.partition("-")[0]), images / f"detection-{kind}.png", kind)


def _draw(place, step, path, kind):
    truth, found = pd.read_csv(place / "truth.csv"), _events(place / "peaks.json")
    frame = pd.read_csv(place / "observations.csv.gz")
    ignored = set(map(tuple, pd.read_csv(place / "ignore.csv").to_numpy()))
    start = int(frame["time"].min() // step * step)
    hit, false = judged(truth, found, step, ignored, start)
    figure, axes = plt.subplots(4, 3, figsize=(11, 9), constrained_layout=True)
    grid = axes[0, 0].get_gridspec()
    for axis in axes[0]:
        axis.remove()
    _by_size(figure.add_subplot(grid[0, :]), truth, hit, kind)
    rng = np.random.default_rng(1)
    chosen = {
        "hit": truth[hit].sample(3, random_state=rng)[["station", "onset"]],
        "miss": truth[~hit].sample(min(3, int((~hit).sum())), random_state=rng)[["station", "onset"]],
        "false": found[false].sample(min(3, int(false.sum())), random_state=rng)[["station", "onset"]],
    }
    for line, (what, examples) in zip(axes[1:], chosen.items(), strict=True):
        for axis, one in zip(line, examples.itertuples(), strict=False):
            _example(axis, frame, one, what, truth)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _events(path):
    found = pd.DataFrame(json.loads(path.read_text()))
    for name in ("detected_at", "onset"):
        moments = pd.to_datetime(found[name], utc=True, format="ISO8601")
        found[name] = (moments - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
    return found


def judged(truth, found, step, ignored, start):
    """(hit of each true event, false of each found one) by the benchmark's rules."""
    hit, false, post = np.zeros(len(truth), bool), np.zeros(len(found), bool), max(2 * step, 120)
    for i, one in enumerate(found.itertuples()):
        same, at = (truth["station"] == one.station).to_numpy(), one.detected_at
        inside = same & (truth["onset"] - step <= at).to_numpy() & (at <= truth["end"] + post).to_numpy()
        tail = same & (truth["end"] < at).to_numpy() & (at <= truth["end"] + post + 900).to_numpy()
        hit |= inside
        cell = start + int((at - start) // step * step)
        false[i] = not inside.any() and not tail.any() and (one.station, cell) not in ignored
    return hit, false


def _by_size(axis, truth, hit, kind):
    edges = np.geomspace(truth["snr"].min(), truth["snr"].max(), 13)
    for what, mask, below in (("hit", hit, None), ("miss", ~hit, hit)):
        counts, _ = np.histogram(truth["snr"][mask], edges)
        under = 0 if below is None else np.histogram(truth["snr"][below], edges)[0]
        axis.bar(edges[:-1], counts, np.diff(edges), bottom=under, align="edge", color=_SHADES[what], label=what)
    axis.set_xscale("log")
    axis.set_xlabel("peak, in units of the sensor's noise")
    axis.set_title(f"{kind} s: hits and misses by size; below, three of each kind (ug/m3 against minutes)", fontsize=10)
    axis.legend()


def _example(axis, frame, one, what, truth):
    near = frame[(frame["station"] == one.station) & ((frame["time"] - one.onset).abs() < 5400)].sort_values("time")
    axis.plot((near["time"] - one.onset) / 60, near["value"], color=_SHADES[what], lw=1)
    for event in truth[truth["station"] == one.station].itertuples():
        if abs(event.onset - one.onset) < 5400:
            axis.axvspan((event.onset - one.onset) / 60, (event.end - one.onset) / 60, color="#0002", lw=0)
    axis.set_title({"hit": "hit", "miss": "missed", "false": "false alarm, or a real peak"}[what], fontsize=9)
    axis.tick_params(labelsize=7)
