"""How values of a property are averaged. Pure; mails, pages, reports and tracks use it.

Levels of sound are logarithms: the mean of 40 and 80 dB is 77 dB, as the energy of the louder half decides. Source: ISO
1996-1, equivalent continuous sound pressure level. The effect of a vibration follows its squared velocity. Source: DIN
4150-2 and the Dutch SBR guideline B, effective velocity.
"""

import math
from collections.abc import Sequence
from enum import StrEnum


class AveragingRule(StrEnum):
    """How a mean is made.

    arithmetic  the sum divided by the number
    energy      of levels in dB: the level of their mean energy
    quadratic   of velocities of vibration: the root of their mean square
    """

    ARITHMETIC = "arithmetic"
    ENERGY = "energy"
    QUADRATIC = "quadratic"


def average_values(values: Sequence[float], rule: AveragingRule) -> float:
    """Return the mean of finite values in their unit; NaN without any."""
    return average_weighted([(value, 1.0) for value in values], rule)


def average_weighted(values: Sequence[tuple[float, float]], rule: AveragingRule) -> float:
    """Return the mean of (finite value, weight above zero) in their unit; NaN without any."""
    if not values:
        return math.nan
    total = math.fsum(weight for _, weight in values)
    match rule:
        case AveragingRule.ENERGY:
            loudest = max(value for value, _ in values)  # relative to it, no power overflows
            power = math.fsum(weight * 10 ** ((value - loudest) / 10) for value, weight in values) / total
            return loudest + 10 * math.log10(power)
        case AveragingRule.QUADRATIC:
            return math.sqrt(math.fsum(weight * value * value for value, weight in values) / total)
        case AveragingRule.ARITHMETIC:
            return math.fsum(weight * value for value, weight in values) / total
