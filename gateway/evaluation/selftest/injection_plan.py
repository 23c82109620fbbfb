"""Choose the synthetic peaks of an hour, seeded by area and hour, so that anybody can repeat it. Pure."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from gateway.evaluation.selftest.settings import SelfTestSettings
from gateway.model.registry import Datastream

HOUR_MS = 3_600_000  # ms
MAX_DURATION_MS = 3_600_000  # ms, longest peak
_MIN_DURATION_MS, _TYPICAL_DURATION_MS = 120_000, 1_800_000  # ms; slow streams get longer peaks
_EDGE_LEVEL = 0.1
_GRID = np.linspace(1e-3, 14.0, 6_000)  # in units of the rise time


@dataclass(frozen=True, kw_only=True)
class DrawnPeak:
    """A planned peak: position in the hour (0..1) and shape; its size follows from the stream's noise."""

    copy: int
    stream: Datastream
    onset_fraction: float
    duration_fraction: float
    shape: float
    multiple: float


@dataclass(frozen=True, kw_only=True)
class SyntheticPeak:
    """A synthetic peak. Times in ms UTC; `height` in the property's unit; `seen`, the largest that a reading shows."""

    drawn_peak: DrawnPeak
    onset: int
    end: int
    interval: float
    height: float
    sampled_height: float


def draw_peaks(hour: datetime, area: str, streams: Sequence[Datastream], settings: SelfTestSettings) -> list[DrawnPeak]:
    """Choose one active stream per property and copy; the choice depends only on these names."""
    streams_by_property: dict[str, list[Datastream]] = defaultdict(list)
    for stream in sorted(streams, key=lambda datastream: (datastream.station, datastream.node)):
        streams_by_property[stream.observed_property].append(stream)
    return [
        _draw_peak(copy, candidates, _seed(hour, area, name, copy), settings)
        for name, candidates in sorted(streams_by_property.items())
        for copy in range(settings.copies)
    ]


def _seed(hour: datetime, area: str, observed_property: str, copy: int) -> int:
    text = f"{hour:%Y-%m-%dT%H}Z\n{area}\n{observed_property}\n{copy}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def _draw_peak(copy: int, candidates: Sequence[Datastream], seed: int, settings: SelfTestSettings) -> DrawnPeak:
    rng = np.random.default_rng(seed)
    return DrawnPeak(
        copy=copy,
        stream=candidates[int(rng.integers(len(candidates)))],
        onset_fraction=float(rng.random()),
        duration_fraction=float(rng.random()),
        shape=float(rng.uniform(1.6, 4.0)),
        multiple=settings.multiples[int(rng.integers(len(settings.multiples)))],
    )


def size_peak(
    drawn_peak: DrawnPeak, hour: int, at: NDArray[np.int64], value: NDArray[np.float64], min_noise: float
) -> SyntheticPeak | None:
    """The peak on this stream's readings around the hour (ms, ascending); None if there are too few.

    Noise is the robust standard deviation of the readings in the hour before the onset (of 24 readings where
    an hour holds fewer), never below `least`.
    """
    onset = hour + int(drawn_peak.onset_fraction * HOUR_MS)
    before = (at < onset) & (at >= onset - HOUR_MS)
    if before.sum() < 24:
        before = (at < onset) & (np.arange(len(at)) >= np.searchsorted(at, onset) - 24)
    if before.sum() < 12:
        return None
    interval = float(np.median(np.diff(at[before])))
    shortest, typical = max(_MIN_DURATION_MS, 3 * interval), max(_TYPICAL_DURATION_MS, 6 * interval)
    end = onset + int(shortest * (typical / shortest) ** drawn_peak.duration_fraction)
    inside = (at >= onset) & (at <= end)
    if end - onset > MAX_DURATION_MS or inside.sum() < 2:
        return None
    noise = 1.4826 * float(np.median(np.abs(value[before] - np.median(value[before]))))
    height = drawn_peak.multiple * max(noise, min_noise)
    sampled_height = height * float(pulse_shape(at[inside], onset, end, drawn_peak.shape).max())
    return SyntheticPeak(
        drawn_peak=drawn_peak, onset=onset, end=end, interval=interval, height=height, sampled_height=sampled_height
    )


def pulse_shape(at: NDArray[np.int64], onset: int, end: int, shape: float) -> NDArray[np.float64]:
    """Return a gamma-shaped pulse of height 1, above a tenth from `onset` to `end` (ms), at these times."""
    curve = _GRID ** (shape - 1) * np.exp((shape - 1) * (1 - _GRID))
    above = _GRID[curve > _EDGE_LEVEL]
    rise = (end - onset) / (above[-1] - above[0])
    u = (at - onset) / rise + above[0]
    pulse: NDArray[np.float64] = np.interp(u, _GRID, curve, left=0.0, right=0.0)
    return pulse
