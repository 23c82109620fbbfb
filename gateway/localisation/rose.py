"""The evidence of one station on the direction of a source: a log-likelihood for each degree. Pure."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gateway.localisation.evidence import Series, StationEvidence, WindSeries

DEGREES = 360


@dataclass(frozen=True, kw_only=True)
class RoseParameters:
    """RoseParameters of the method; the package's docstring has the formulas.

    The first four were chosen by the controlled releases of tests/benchmarks/localisation.py.
    """

    spread: float = 20.0  # degrees: half width of a plume that meanders during a minute
    high_by_chance: float = 0.05  # p0
    high_downwind: float = 0.4  # p1
    memory: float = 600.0  # seconds in which air and source change
    vane_error: float = 12.0  # degrees, standard deviation: mounting of a vane and wind between mast and station
    min_speed: float = 1.0  # m/s; below it a vane shows no direction of transport


def build_rose(
    evidence: StationEvidence, wind: WindSeries, threshold: float, interval: float, p: RoseParameters
) -> Series:
    """Return the log-likelihood (360,) of a source in each whole degree from north, seen from the station."""
    usable = wind.list_usable(p.min_speed) & np.isfinite(evidence.excess)
    degrees = np.rint(wind.directions[usable]).astype(np.int64) % DEGREES
    is_high = evidence.excess[usable] > threshold
    log_high, log_low = _build_tables(p)
    counts_high = np.bincount(degrees[is_high], minlength=DEGREES)
    counts_low = np.bincount(degrees[~is_high], minlength=DEGREES)
    rose: Series = min(1.0, interval / p.memory) * (log_high @ counts_high + log_low @ counts_low)
    return rose


@lru_cache(maxsize=8)
def _build_tables(p: RoseParameters) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(360, 360) log p and log(1 - p) for each bearing of a source and each direction of the wind."""
    degrees = np.arange(DEGREES)
    difference = (degrees[:, None] - degrees[None, :] + 180) % DEGREES - 180
    probability = p.high_by_chance + (p.high_downwind - p.high_by_chance) * np.exp(-0.5 * (difference / p.spread) ** 2)
    return np.log(probability), np.log1p(-probability)
