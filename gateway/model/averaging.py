"""How values of a property are averaged. Pure; tracks, means and pages use it.

Levels of sound are logarithms: the mean of 40 and 80 dB is 77 dB, as the energy of the louder half decides. Source: ISO
1996-1, equivalent continuous sound pressure level.
"""

import math
from collections.abc import Sequence
from enum import StrEnum


class AveragingRule(StrEnum):
    """arithmetic: the sum divided by the number; energy: of levels in dB, the level of their mean energy."""

    ARITHMETIC = "arithmetic"
    ENERGY = "energy"


def average_values(values: Sequence[float], rule: AveragingRule) -> float:
    """Return the mean of finite values in their unit; NaN without any."""
    if not values:
        return math.nan
    if rule is AveragingRule.ARITHMETIC:
        return math.fsum(values) / len(values)
    loudest = max(values)  # relative to it, no power overflows
    return loudest + 10 * math.log10(math.fsum(10 ** ((value - loudest) / 10) for value in values) / len(values))
