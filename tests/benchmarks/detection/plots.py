"""Hits, misses and false alarms: how often by size and method, and what those of the shipped detector look like."""

import json

import matplotlib as mpl
import numpy as np
import pandas as pd
from sets import METHODS

mpl.use("Agg")
from matplotlib import pyplot as plt

_SHADES = {"hit": "#1a7f5a", "miss": "#c9851a", "false": "#a5233c"}


def draw(chosen, places, images):
    """One picture a set."""
    images.mkdir(parents=True, exist_ok=True)
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "piekwacht", "font.size": 9, "path.simplify": True})
    for one in chosen:
        if one.tier is not None:
            _draw(one, places[one], images / f"detection-{one.step}-{one.tier}.svg")


def read(path):
    """Events with times in s."""
    found = pd.DataFrame(json.loads(path.read_text()), columns=["station", "detected_at", "onset", "end", "excess"])
    for name in ("detected_at", "onset"):
        if not pd.api.types.is_numeric_dtype(found[name]):
            moments = pd.to_datetime(found[name], utc=True, format="ISO8601")
            found[name] = (moments - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
    return found


def _draw(one, place, path):
    truth, frame = pd.read_csv(place / "truth.csv"), pd.read_csv(place / "observations.csv.gz")
    ignored = set(map(tuple, pd.read_csv(place / "ignore.csv").to_numpy()))
    start = int(frame["time"].min() // one.step * one.step)
    days = (len(frame) - len(ignored)) * one.step / 86_400
    found = {m: read(place / f"{number}.json") for number, m in enumerate(METHODS)}
    verdicts = {m: judged(truth, events, one.step, ignored, start) for m, events in found.items()}
    figure, axes = plt.subplots(4, 3, figsize=(9.5, 8.5), constrained_layout=True)
    for axis in axes[0]:
        axis.remove()
    grid = axes[0, 0].get_gridspec()
    ours, (hit, false) = found[METHODS[0]], verdicts[METHODS[0]]
    _by_size(figure.add_subplot(grid[0, :2]), truth, hit, one)
    _by_method(figure.add_subplot(grid[0, 2]), {m: (h.mean(), f.sum() / days) for m, (h, f) in verdicts.items()})
    rng = np.random.default_rng(1)
    chosen = {"hit": truth[hit], "miss": truth[~hit], "false": ours[false]}
    for line, (what, all_) in zip(axes[1:], chosen.items(), strict=True):
        for axis, example in zip(line, all_.sample(min(3, len(all_)), random_state=rng).itertuples(), strict=False):
            _example(axis, frame, example, what, truth)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def judged(truth, found, step, ignored, start):
    """(hit of each true event, false of each found one) by the benchmark's rules."""
    hit, false, post = np.zeros(len(truth), bool), np.zeros(len(found), bool), max(2 * step, 120)
    onset, end = truth["onset"].to_numpy(), truth["end"].to_numpy()
    there = {station: np.flatnonzero(truth["station"] == station) for station in truth["station"].unique()}
    nobody = np.zeros(0, int)
    for i, (station, at) in enumerate(zip(found["station"], found["detected_at"], strict=True)):
        mine = there.get(station, nobody)
        inside = mine[(onset[mine] - step <= at) & (at <= end[mine] + post)]
        tail = (end[mine] < at) & (at <= end[mine] + post + 900)
        hit[inside] = True
        cell = start + int((at - start) // step * step)
        false[i] = not len(inside) and not tail.any() and (station, cell) not in ignored
    return hit, false


def _by_size(axis, truth, hit, one):
    edges = np.geomspace(truth["snr"].min(), truth["snr"].max(), 13)
    for what, mask, below in (("hit", hit, None), ("miss", ~hit, hit)):
        counts, _ = np.histogram(truth["snr"][mask], edges)
        under = 0 if below is None else np.histogram(truth["snr"][below], edges)[0]
        axis.bar(edges[:-1], counts, np.diff(edges), bottom=under, align="edge", color=_SHADES[what], label=what)
    axis.set_xscale("log")
    axis.set_xlabel("peak, in units of the sensor's noise")
    axis.set_title(f"{one.name}: hits and misses by size", fontsize=10)
    axis.legend()


def _by_method(axis, figures):
    """Share found against false alarms: up and to the left is better."""
    for method, (recall, false) in figures.items():
        ours = method.startswith("*")
        axis.plot(false, recall, "D" if ours else "o", color=_SHADES["hit"] if ours else "#888")
        axis.annotate(method.strip("*"), (false, recall), (4, 3), textcoords="offset points", fontsize=7)
    axis.set_xlim(0, 1.35 * max(false for _, false in figures.values()))
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
