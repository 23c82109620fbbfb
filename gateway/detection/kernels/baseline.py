"""How fast background and noise follow, and what is set aside: readings that teach nothing."""

import math
from typing import Any

from numba import njit

from edge_agent.wire import Flag

# A value with one of these flags says nothing of the air. The raw value is stored all the same.
MEANINGLESS = int(Flag.WARM_UP | Flag.CLEANING | Flag.STALE | Flag.SENSOR_FAULT | Flag.OUT_OF_RANGE | Flag.MAINTENANCE)
WARM_UP = 24  # readings
_GAP = 30.0  # minutes: a longer gap teaches no more
_MANY = 9_999


@njit(nogil=True, cache=True, error_model="numpy")
def approach(u: float, v: float) -> tuple[float, float]:
    """1 - exp(-u) and 1 - exp(-v) for u, v >= 0, with one division for both: see `kernels`."""
    u = u if u < 3.0 else 3.0
    v = v if v < 3.0 else 3.0
    below_u = 1.0 + u * (0.5 + u * (1 / 12))
    below_v = 1.0 + v * (0.5 + v * (1 / 12))
    both = 1.0 / (below_u * below_v)
    return u * below_v * both, v * below_u * both


@njit(nogil=True, cache=True, error_model="numpy")
def steps(p: Any, span: int, known: int) -> tuple[float, float, float, float, float]:
    """What a gap of `span` ms weighs in a stream known for `known` ms.

    (weight of evidence, the same beyond doubt, step of the background, the same hurrying down, step of the noise)
    """
    gap = span * (1 / 60_000)
    gap = gap if gap < _GAP else _GAP
    learning = 0.0 if known >= p.settled else 60_000 / known
    unit, sure = gap * p.unit_rate, gap * p.sure_rate
    towards, taken = approach(
        gap * (p.background_rate if p.background_rate > learning else learning),
        gap * (p.noise_rate if p.noise_rate > learning else learning),
    )
    hurried = min(1.0, p.fall_speed * towards)
    return unit if unit < 1.0 else 1.0, sure if sure < 1.0 else 1.0, towards, hurried, taken


@njit(nogil=True, cache=True, error_model="numpy")
def note_odd(s: Any, e: Any, at: int, x: float, level: float, noise: float, flags: int) -> None:
    """Remember a reading that stands out and may be no peak."""
    if s.odd_count == 0 or x - level > e.odd_peak - e.odd_level:
        e.odd_peak = x
        e.odd_level = level
        e.odd_noise = noise
    if s.odd_count == 0:
        e.odd_since = at
        e.odd_flags = 0
    e.odd_until = at
    e.odd_flags |= flags
    s.odd_count = min(s.odd_count + 1, _MANY)


@njit(nogil=True, cache=True, error_model="numpy")
def set_aside(s: Any, e: Any, p: Any, at: int, value: float, flags: int) -> None:
    """The first reading, one that is not newer or not finite, or one that says nothing of the air."""
    if p.on == 0.0 or not abs(value) < float("inf"):
        return
    x = value * p.polarity
    if s.count == 0:
        if flags & MEANINGLESS == 0:
            s.background = x
            s.variance = p.noise_absolute * p.noise_absolute
            s.first = at
            s.at = at
            s.gain = 1.0
            s.count = 1
        return
    if at <= s.at or flags & MEANINGLESS == 0:
        return
    floor = p.noise_absolute + p.noise_relative * abs(s.background)
    own = math.sqrt(s.variance + floor * floor)
    if s.count > WARM_UP and x - s.background > max(p.sure * own, p.smallest):
        note_odd(s, e, at, x, s.background, own, flags & MEANINGLESS)
