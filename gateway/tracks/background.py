"""The background along a track: a rolling low quantile, which the plumes that a vehicle crosses hardly raise. Pure.

Source of the method: Apte et al., "High-Resolution Air Pollution Mapping with Google Street View Cars", Environ. Sci.
Technol. 51 (2017), separates the ambient background of a drive from local peaks in this way.
"""

from bisect import bisect_left, insort

import numpy as np

from gateway.tracks.positions import FloatColumn, TimeColumn

HALF_WINDOW_MS = 150_000  # two and a half minutes before and after
QUANTILE = 0.1
MIN_READINGS = 20


def compute_background(times: TimeColumn, values: FloatColumn) -> FloatColumn:
    """Return the background at each time (n,); NaN where fewer than 20 values lie within 2.5 minutes.

    times   (n,) ms UTC, ascending
    values  (n,); NaN: no valid value
    """
    background = np.full(len(times), np.nan)
    window: list[float] = []
    starts = np.searchsorted(times, times - HALF_WINDOW_MS, "left").tolist()
    ends = np.searchsorted(times, times + HALF_WINDOW_MS, "right").tolist()
    numbers = values.tolist()
    first = last = 0
    for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
        for number in numbers[last:end]:
            if number == number:  # noqa: PLR0124 - not NaN
                insort(window, number)
        for number in numbers[first:start]:
            if number == number:  # noqa: PLR0124 - not NaN
                del window[bisect_left(window, number)]
        first, last = start, end
        if len(window) >= MIN_READINGS:
            background[row] = _interpolate(window)
    return background


def _interpolate(ordered: list[float]) -> float:
    position = QUANTILE * (len(ordered) - 1)
    below = int(position)
    upper = ordered[min(below + 1, len(ordered) - 1)]
    return ordered[below] + (position - below) * (upper - ordered[below])
