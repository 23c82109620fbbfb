"""Fit of a sensor beside a reference instrument: a straight line, and how well it fits. Pure.

    reference = offset + slope * raw + residual

Ordinary least squares of the reference on the raw value, on hourly means of both (the usual form for sensors that are
corrected: EPA/600/R-20/280, 3.1.2; the error of the reference counts as part of the residual). Standard errors are
those of a straight line with n - 2 degrees of freedom. They are too small if residuals of neighbouring hours are alike,
so the uncertainty of a corrected value comes from the residuals themselves: twice their standard deviation (k = 2).
"""

from collections.abc import Sequence
from math import isfinite, sqrt

import numpy as np
from msgspec import Struct

MIN_HOURS = 72  # three days: a fit of one day sees one weather
LARGE_SHIFT = 0.5  # median relative change of a value from which a fit must be confirmed


class LineFit(Struct, frozen=True, kw_only=True):
    """A fitted line. Offsets and spread in the unit of the property, slopes and r2 without one.

    offset_error, slope_error  standard errors
    r2                         share of the reference's variance that the line explains
    spread                     standard deviation of the residuals, with n - 2 degrees of freedom
    shift                      median of |corrected - raw| / |raw|: how far the line moves a value
    """

    hours: int
    offset: float
    slope: float
    offset_error: float
    slope_error: float
    r2: float
    spread: float
    shift: float

    @property
    def uncertainty(self) -> float:
        """Expanded uncertainty (k = 2) of a corrected hourly mean."""
        return 2 * self.spread

    @property
    def moves_by_half(self) -> bool:
        """Whether the line moves most values by half or more."""
        return self.shift >= LARGE_SHIFT


class CollocationError(ValueError):
    """Pairs that give no line; `code` names the reason, `hours` the number of usable pairs."""

    def __init__(self, code: str, hours: int) -> None:
        super().__init__(code)
        self.code, self.hours = code, hours


def fit_line(raw: Sequence[float], reference: Sequence[float]) -> LineFit:
    """Fit the reference on the raw values of the same hours. Raises CollocationError.

    Pairs with a value that is no number are left out.
    """
    pairs = np.array([(x, y) for x, y in zip(raw, reference, strict=True) if isfinite(x) and isfinite(y)]).reshape(
        -1, 2
    )
    x, y = pairs[:, 0], pairs[:, 1]
    hours = len(pairs)
    if hours < MIN_HOURS:
        raise CollocationError("too_few_hours", hours)
    centred = x - x.mean()
    squares = float(centred @ centred)
    if squares <= 1e-12 * max(1.0, float(x @ x)):
        raise CollocationError("no_spread", hours)
    slope = float(centred @ (y - y.mean())) / squares
    offset = float(y.mean() - slope * x.mean())
    if slope == 0 or not isfinite(slope) or not isfinite(offset):
        raise CollocationError("no_relation", hours)
    residuals = y - offset - slope * x
    variance = float(residuals @ residuals) / (hours - 2)
    total = float((y - y.mean()) @ (y - y.mean()))
    return LineFit(
        hours=hours,
        offset=offset,
        slope=slope,
        offset_error=sqrt(variance * (1 / hours + float(x.mean()) ** 2 / squares)),
        slope_error=sqrt(variance / squares),
        r2=1 - float(residuals @ residuals) / total if total > 0 else 0.0,
        spread=sqrt(variance),
        shift=_median_shift(x, offset, slope),
    )


def _median_shift(raw: np.ndarray[tuple[int, ...], np.dtype[np.float64]], offset: float, slope: float) -> float:
    """Relative to the size of each value; values near zero count relative to the median size."""
    size = np.maximum(np.abs(raw), max(float(np.median(np.abs(raw))) / 10, 1e-9))
    return float(np.median(np.abs(offset + slope * raw - raw) / size))
