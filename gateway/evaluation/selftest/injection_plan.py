"""Which synthetic peaks an hour gets: drawn from the hour's own name, so that anybody can draw them again. Pure."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from gateway.evaluation.selftest.settings import SelfTestSettings
from gateway.model.registry import Datastream

HOUR = 3_600_000  # ms
LONGEST = 3_600_000  # ms that a peak lasts at most
_SHORTEST, _USUAL = 120_000, 1_800_000  # ms; slow streams get longer ones, as many readings long
_TENTH = 0.1
_GRID = np.linspace(1e-3, 14.0, 6_000)  # times of the peak's own rise


@dataclass(frozen=True, kw_only=True)
class Draw:
    """One peak before the stream's own noise and interval are known: its place in the hour, 0..1, and its form."""

    copy: int
    stream: Datastream
    moment: float
    length: float
    shape: float
    multiple: float


@dataclass(frozen=True, kw_only=True)
class Peak:
    """A synthetic peak. Times in ms UTC; `height` in the property's unit; `seen`, the largest that a reading shows."""

    draw: Draw
    onset: int
    end: int
    interval: float
    height: float
    seen: float


def draw(hour: datetime, area: str, streams: Sequence[Datastream], settings: SelfTestSettings) -> list[Draw]:
    """For each property and copy one of the streams that spoke; which, when and how depends on these names only."""
    together: dict[str, list[Datastream]] = defaultdict(list)
    for stream in sorted(streams, key=lambda one: (one.station, one.node)):
        together[stream.observed_property].append(stream)
    return [
        _drawn(copy, candidates, _seed(hour, area, name, copy), settings)
        for name, candidates in sorted(together.items())
        for copy in range(settings.copies)
    ]


def _seed(hour: datetime, area: str, observed_property: str, copy: int) -> int:
    text = f"{hour:%Y-%m-%dT%H}Z\n{area}\n{observed_property}\n{copy}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def _drawn(copy: int, candidates: Sequence[Datastream], seed: int, settings: SelfTestSettings) -> Draw:
    rng = np.random.default_rng(seed)
    return Draw(
        copy=copy,
        stream=candidates[int(rng.integers(len(candidates)))],
        moment=float(rng.random()),
        length=float(rng.random()),
        shape=float(rng.uniform(1.6, 4.0)),
        multiple=settings.multiples[int(rng.integers(len(settings.multiples)))],
    )


def sized(one: Draw, hour: int, at: NDArray[np.int64], value: NDArray[np.float64], least: float) -> Peak | None:
    """The peak on this stream's readings around the hour (ms, ascending); None where it spoke too little to judge.

    Noise is the robust standard deviation of the readings in the hour before the onset (of 24 readings where
    an hour holds fewer), never below `least`.
    """
    onset = hour + int(one.moment * HOUR)
    before = (at < onset) & (at >= onset - HOUR)
    if before.sum() < 24:
        before = (at < onset) & (np.arange(len(at)) >= np.searchsorted(at, onset) - 24)
    if before.sum() < 12:
        return None
    interval = float(np.median(np.diff(at[before])))
    shortest, usual = max(_SHORTEST, 3 * interval), max(_USUAL, 6 * interval)
    end = onset + int(shortest * (usual / shortest) ** one.length)
    inside = (at >= onset) & (at <= end)
    if end - onset > LONGEST or inside.sum() < 2:
        return None
    noise = 1.4826 * float(np.median(np.abs(value[before] - np.median(value[before]))))
    height = one.multiple * max(noise, least)
    seen = height * float(relative(at[inside], onset, end, one.shape).max())
    return Peak(draw=one, onset=onset, end=end, interval=interval, height=height, seen=seen)


def relative(at: NDArray[np.int64], onset: int, end: int, shape: float) -> NDArray[np.float64]:
    """A gamma-shaped pulse of height 1 that stands above a tenth from `onset` to `end` (ms), at these times."""
    curve = _GRID ** (shape - 1) * np.exp((shape - 1) * (1 - _GRID))
    above = _GRID[curve > _TENTH]
    rise = (end - onset) / (above[-1] - above[0])
    u = (at - onset) / rise + above[0]
    found: NDArray[np.float64] = np.interp(u, _GRID, curve, left=0.0, right=0.0)
    return found
