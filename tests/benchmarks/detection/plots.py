"""Hits, misses and false alarms: how often by size and method, and what those of the shipped detector look like."""

import json

import matplotlib as mpl
import numpy as np
import pandas as pd
from sets import METHODS

mpl.use("Agg")
from matplotlib import pyplot as plt

_SHADES = {"hit": "#1a7f5a", "miss": "#c9851a", "false": "#a5233c"}


def draw(places, images, build):
    """One small picture of all sets and methods; of each set one with examples."""
    images.mkdir(parents=True, exist_ok=True)
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "piekwacht", "font.size": 9})
    figure, axes = plt.subplots(len(places), 2, figsize=(9, 2.8 * len(places)), constrained_layout=True)
    for (one, place), (left, right) in zip(places.items(), axes, strict=True):
        truth, found = pd.read_csv(place / "truth.csv"), {m: read(place / f"{n}.json") for n, m in enumerate(METHODS)}
        frame = pd.read_csv(place / "observations.csv.gz")
        ignored = set(map(tuple, pd.read_csv(place / "ignore.csv").to_numpy()))
        start = int(frame["time"].min() // one.step * one.step)
        days = (len(frame) - len(ignored)) * one.step / 86_400
        verdicts = {m: judged(truth, events, one.step, ignored, start) for m, events in found.items()}
        hit, false = verdicts[METHODS[0]]
        _by_size(left, truth, hit, one)
        _by_method(right, {m: (h.mean(), f.sum() / days) for m, (h, f) in verdicts.items()})
        chosen = {"hit": truth[hit], "miss": truth[~hit], "false": found[METHODS[0]][false]}
        _examples(frame, truth, chosen, build / f"{one.folder}.png")
    figure.savefig(images / "detection.svg", metadata={"Date": None})
    plt.close(figure)


def read(path):
    """Events with times in s."""
    found = pd.DataFrame(json.loads(path.read_text()), columns=["station", "detected_at", "onset", "end", "excess"])
    for name in ("detected_at", "onset"):
        if not pd.api.types.is_numeric_dtype(found[name]):
            moments = pd.to_datetime(found[name], utc=True, format="ISO8601")
            found[name] = (moments - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
    return found


def _examples(frame, truth, chosen, path):
    """Three of each kind."""
    figure, axes = plt.subplots(3, 3, figsize=(11, 8), constrained_layout=True)
    rng = np.random.default_rng(1)
    for line, (what, all_) in zip(axes, chosen.items(), strict=True):
        for axis, example in zip(line, all_.sample(min(3, len(all_)), random_state=rng).itertuples(), strict=False):
            _example(axis, frame, example, what, truth)
    figure.savefig(path, dpi=90)
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
