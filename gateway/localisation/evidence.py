"""Values of the stations during a plume, and the wind of each moment. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.model.properties import PROPERTIES

Series = NDArray[np.float64]
BACKGROUND_SECONDS = 7_200.0  # before a moment: the time whose low values are its background
_BACKGROUND_QUANTILE = 0.1


@dataclass(frozen=True, kw_only=True)
class WindSeries:
    """Mean wind of each moment, (times,): degrees that the air comes from, and m/s. NaN if unknown."""

    directions: Series
    speeds: Series

    def list_usable(self, min_speed: float) -> NDArray[np.bool_]:
        """(times,) whether the wind of the moment has a direction that can be relied on."""
        return np.isfinite(self.directions) & (np.nan_to_num(self.speeds) >= min_speed)


@dataclass(frozen=True, kw_only=True)
class StationEvidence:
    """One station: metres east and north on the plane of the grid, and its excess over its own background, (times,).

    The excess has the unit of the property; NaN means that the moment has no valid value.
    """

    station: str
    east: float
    north: float
    excess: Series


@dataclass(frozen=True, kw_only=True)
class PlumeEvidence:
    """All stations of an area during a plume. `threshold`: the excess from which a station is high."""

    stations: Sequence[StationEvidence]
    wind: WindSeries
    threshold: float
    interval: float  # seconds between moments

    def list_high_stations(self) -> list[str]:
        """The stations that were high at any moment."""
        return [row.station for row in self.stations if np.any(row.excess > self.threshold)]


def subtract_background(values: Series, interval: float) -> Series:
    """Return the excess of each value over the low values of the two hours before it. NaN stays NaN.

    values: (times,), `interval` seconds apart. The low value is the 10th percentile, of which a plume is no part as
    long as it lasts less than nine tenths of the two hours.
    """
    count = max(1, round(BACKGROUND_SECONDS / interval))
    padded = np.concatenate([np.full(count, np.nan), values])
    windows = np.lib.stride_tricks.sliding_window_view(padded, count + 1)
    excess = np.full(len(values), np.nan)
    valid = np.isfinite(values)
    if valid.any():
        excess[valid] = values[valid] - np.nanquantile(windows[valid], _BACKGROUND_QUANTILE, axis=1)
    return excess


def choose_threshold(observed_property: str) -> float | None:
    """Return the excess from which a station is high: half of that of a minor peak, in the unit of the property.

    It was chosen by the benchmark. A property without levels has the smallest excess of its events; None without any.
    """
    row = PROPERTIES.get(observed_property)
    if row is None:
        return None
    if row.severity is not None:
        return row.severity[0] / 2
    smallest = None if row.detection is None else row.detection.get("smallest")
    return smallest if isinstance(smallest, int | float) else None
