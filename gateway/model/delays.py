"""Times between two moments: how many, the median and the 95th percentile. Pure."""

from collections.abc import Sequence
from math import ceil
from statistics import median

from msgspec import Struct


class Delays(Struct, frozen=True, kw_only=True):
    """Times between two moments, in seconds: how many, the median, and the 95th percentile by nearest rank."""

    count: int
    median: float
    percentile_95: float


def summarise_delays(seconds: Sequence[float]) -> Delays | None:
    """Return the summary of delays in seconds; None without any."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    return Delays(count=len(ordered), median=median(ordered), percentile_95=ordered[ceil(0.95 * len(ordered)) - 1])
