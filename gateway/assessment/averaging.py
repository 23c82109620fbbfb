"""Means over hours, days and years of an hourly series, with the rules of data capture. Pure.

A series has one value per hour of UTC, in ug/m3, shape (n,); NaN is an hour without a complete mean. Unix time has no
leap seconds, so every hour has 3,600 seconds. A legal day has 23, 24 or 25 hours, by its own begin and end.

Data capture, after Directive (EU) 2024/2881, Annex I: an hour needs 75 % of its readings, 8 running hours need 6
hours, a day needs 18 hours. The share that a year needs is a setting.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gateway.model.observation import FloatArray

HOUR_SECONDS = 3_600
COMPLETE_HOUR_SHARE = 0.75
HOURS_OF_DAY_MEAN = 18
HOURS_OF_8_HOUR_MEAN = 6
CountArray = NDArray[np.int64]


def select_complete_hours(mean: FloatArray, valid: CountArray, expected: CountArray) -> FloatArray:
    """Return the means of hours with at least 75 % valid readings, NaN for the others. All of shape (n,).

    `expected`: 0 if it is unknown how many readings an hour has; such an hour is not complete.
    """
    is_complete = (expected > 0) & (valid >= COMPLETE_HOUR_SHARE * expected) & np.isfinite(mean)
    return np.where(is_complete, mean, np.nan)


def place_hours(start: CountArray, value: FloatArray, first: int, hours: int) -> FloatArray:
    """Return a series of `hours` hours from `first` on. `start`: seconds of Unix time of each value, in any order.

    Values outside the period are left out; of two values of one hour the last one counts.
    """
    series = np.full(hours, np.nan)
    index = (start - first) // HOUR_SECONDS
    is_inside = (index >= 0) & (index < hours)
    series[index[is_inside]] = value[is_inside]
    return series


def roll_means(series: FloatArray, width: int, needed: int) -> FloatArray:
    """Return the mean of the `width` hours that end with each hour; NaN with fewer than `needed` values.

    Sums are added hour by hour: a running total would leave a rounding error behind in every later hour.
    """
    total, count = np.zeros(len(series)), np.zeros(len(series), dtype=np.int64)
    is_known = np.isfinite(series)
    values = np.where(is_known, series, 0.0)
    for shift in range(min(width, len(series))):
        total[shift:] += values[: len(series) - shift]
        count[shift:] += is_known[: len(series) - shift]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count >= needed, total / count, np.nan)


def average_days(series: FloatArray, first: int, edges: Sequence[int]) -> FloatArray:
    """Return the mean of each day; NaN for a day with fewer than 18 hours. `edges`: begin of each day and the last end.

    `first` and `edges` are seconds of Unix time. An hour that contains a midnight belongs to no day.
    """
    means = np.full(len(edges) - 1, np.nan)
    for day, (begin, end) in enumerate(pairwise(edges)):
        values = series[hours_of(begin, end, first)]
        values = values[np.isfinite(values)]
        if len(values) >= HOURS_OF_DAY_MEAN:
            means[day] = values.mean()
    return means


def find_daily_maxima(rolled: FloatArray, first: int, edges: Sequence[int]) -> FloatArray:
    """Return the highest running mean that ends in each day; NaN for a day with fewer than 18 of them."""
    maxima = np.full(len(edges) - 1, np.nan)
    for day, (begin, end) in enumerate(pairwise(edges)):
        values = rolled[hours_of(begin, end, first)]
        values = values[np.isfinite(values)]
        if len(values) >= HOURS_OF_DAY_MEAN:
            maxima[day] = values.max()
    return maxima


def hours_of(begin: int, end: int, first: int) -> slice:
    """Return which hours of a series lie in [begin, end) as a whole."""
    return slice(max(0, -((first - begin) // HOUR_SECONDS)), max(0, (end - first) // HOUR_SECONDS))


def count_runs(series: FloatArray, level: float, hours: int) -> int:
    """Return at how many hours the last `hours` hours were all at or above the level."""
    is_reached = series >= level
    reached = is_reached.copy()
    for shift in range(1, hours):
        reached[shift:] &= is_reached[:-shift]
        reached[:shift] = False
    return int(reached.sum())


def seconds_at_or_above(means: FloatArray, level: float, widths: CountArray | int) -> int:
    """Return for how long means were at or above a level; NaN counts as below. `widths`: of the means in seconds."""
    return int(((means >= level) * np.asarray(widths)).sum())
