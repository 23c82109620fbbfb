"""Values of one station against the wind of a long time: two statistics on a grid of speeds and directions. Pure.

* Conditional probability function (CPF): the share of the moments with that wind in which the value was among the
  highest quarter (Ashbaugh, Malm and Sadeh 1985).
* Non-parametric wind regression (NWR): the mean value for that wind, of moments weighted by how near their wind is
  (Henry, Chang and Spiegelman 2002). Both weights are Gaussian: 1.5 m/s and 5 degrees.

Differences of directions wrap both ways: 355 and 5 degrees are 10 degrees apart, from either side.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from alerting.averaging import AveragingRule

Array = NDArray[np.float64]
SPEED_KERNEL = 1.5  # m/s
DIRECTION_KERNEL = 5.0  # degrees
CPF_PERCENTILE = 75.0
MIN_WEIGHT = 3.0  # moments near a cell, weighted, below which it has no value
_SPEED_STEP = 0.25  # m/s of the bins that values are gathered in
_DEGREES = 360
# Of each rule: from values to what adds up, and back.
_CONVERSIONS: Mapping[AveragingRule, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    AveragingRule.ARITHMETIC: (np.asarray, np.asarray),
    AveragingRule.ENERGY: (lambda levels: 10 ** (levels / 10), lambda energies: 10 * np.log10(energies)),
    AveragingRule.QUADRATIC: (np.square, np.sqrt),
}


@dataclass(frozen=True, kw_only=True)
class WindStatistic:
    """`values` (speeds, directions), NaN where too few moments had such a wind. m/s, and degrees that air comes from.

    `count`: moments with a valid value and wind. `top_speed`: the edge of the last ring, m/s.
    """

    speeds: Array
    directions: Array
    values: Array
    count: int
    top_speed: float


def compute_nwr(
    values: Array,
    speeds: Array,
    directions: Array,
    cells: int = 72,
    rings: int = 20,
    *,
    rule: AveragingRule = AveragingRule.ARITHMETIC,
) -> WindStatistic:
    """Return the mean of `values` for each wind. All (moments,); NaN marks what is not valid and is left out."""
    valid = np.isfinite(values) & np.isfinite(speeds) & np.isfinite(directions)
    to_additive, from_additive = _CONVERSIONS[rule]
    statistic = _smooth(to_additive(values[valid]), speeds[valid], directions[valid], cells, rings)
    return replace(statistic, values=from_additive(statistic.values))


def compute_cpf(values: Array, speeds: Array, directions: Array, cells: int = 72, rings: int = 20) -> WindStatistic:
    """Return for each wind the share of moments above the 75th percentile of all. Arguments as `compute_nwr`."""
    valid = np.isfinite(values) & np.isfinite(speeds) & np.isfinite(directions)
    if not valid.any():
        return _smooth(values[valid], speeds[valid], directions[valid], cells, rings)
    is_high = (values[valid] > np.percentile(values[valid], CPF_PERCENTILE)).astype(np.float64)
    return _smooth(is_high, speeds[valid], directions[valid], cells, rings)


def _smooth(values: Array, speeds: Array, directions: Array, cells: int, rings: int) -> WindStatistic:
    """Gather the moments in bins of 0.25 m/s and one degree, then weight the bins around each cell."""
    top = max(SPEED_KERNEL, float(np.percentile(speeds, 99))) if len(speeds) else SPEED_KERNEL
    bins = int(np.ceil(top / _SPEED_STEP)) + 1
    row = np.minimum((speeds / _SPEED_STEP).astype(np.int64), bins - 1)
    column = np.rint(directions).astype(np.int64) % _DEGREES
    counts = np.bincount(row * _DEGREES + column, minlength=bins * _DEGREES).reshape(bins, _DEGREES)
    sums = np.bincount(row * _DEGREES + column, weights=values, minlength=bins * _DEGREES).reshape(bins, _DEGREES)
    cell_speeds = top * (np.arange(rings) + 0.5) / rings
    cell_directions = _DEGREES * np.arange(cells) / cells
    by_speed = _weigh(cell_speeds[:, None] - _SPEED_STEP * (np.arange(bins)[None, :] + 0.5), SPEED_KERNEL)
    turn = (cell_directions[:, None] - np.arange(_DEGREES)[None, :] + 180) % _DEGREES - 180
    by_direction = _weigh(turn, DIRECTION_KERNEL)
    weights = by_speed @ counts @ by_direction.T
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(weights >= MIN_WEIGHT, by_speed @ sums @ by_direction.T / weights, np.nan)
    return WindStatistic(speeds=cell_speeds, directions=cell_directions, values=means, count=len(values), top_speed=top)


def _weigh(difference: Array, width: float) -> Array:
    weight: Array = np.exp(-0.5 * (difference / width) ** 2)
    return weight
