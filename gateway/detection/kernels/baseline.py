"""How fast background and noise follow, and what is set aside: readings that teach nothing."""

import math
from typing import Any

from numba import njit

from edge_agent.wire import Flag

# A value with one of these flags says nothing of the air. The raw value is stored all the same.
UNTRUSTED_FLAGS = int(
    Flag.WARM_UP | Flag.CLEANING | Flag.STALE | Flag.SENSOR_FAULT | Flag.OUT_OF_RANGE | Flag.MAINTENANCE
)
WARM_UP_READINGS = 24  # readings
_MAX_GAP = 30.0  # minutes: a longer gap teaches no more
_MAX_COUNT = 9_999


@njit(nogil=True, cache=True, error_model="numpy")
def exponential_steps(u: float, v: float) -> tuple[float, float]:
    """1 - exp(-u) and 1 - exp(-v) for u, v >= 0, with one division for both: see `kernels`."""
    u = u if u < 3.0 else 3.0
    v = v if v < 3.0 else 3.0
    denominator_u = 1.0 + u * (0.5 + u * (1 / 12))
    denominator_v = 1.0 + v * (0.5 + v * (1 / 12))
    reciprocal = 1.0 / (denominator_u * denominator_v)
    return u * denominator_v * reciprocal, v * denominator_u * reciprocal


@njit(nogil=True, cache=True, error_model="numpy")
def compute_step_sizes(p: Any, gap_ms: int, age_ms: int) -> tuple[float, float, float, float, float]:
    """What a gap of `span` ms weighs in a stream known for `known` ms.

    (weight of evidence, the same beyond doubt, step of the background, the same hurrying down, step of the noise)
    """
    gap = gap_ms * (1 / 60_000)
    gap = gap if gap < _MAX_GAP else _MAX_GAP
    initial_rate = 0.0 if age_ms >= p.settled else 60_000 / age_ms
    cusum_weight, fast_cusum_weight = gap * p.unit_rate, gap * p.sure_rate
    background_step, noise_step = exponential_steps(
        gap * (p.background_rate if p.background_rate > initial_rate else initial_rate),
        gap * (p.noise_rate if p.noise_rate > initial_rate else initial_rate),
    )
    falling_step = min(1.0, p.fall_speed * background_step)
    return (
        cusum_weight if cusum_weight < 1.0 else 1.0,
        fast_cusum_weight if fast_cusum_weight < 1.0 else 1.0,
        background_step,
        falling_step,
        noise_step,
    )


@njit(nogil=True, cache=True, error_model="numpy")
def note_outlier(s: Any, e: Any, at: int, x: float, level: float, noise: float, flags: int) -> None:
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
    s.odd_count = min(s.odd_count + 1, _MAX_COUNT)


@njit(nogil=True, cache=True, error_model="numpy")
def handle_excluded_reading(s: Any, e: Any, p: Any, at: int, value: float, flags: int) -> None:
    """The first reading, one that is not newer or not finite, or one that says nothing of the air."""
    if p.on == 0.0 or not abs(value) < float("inf"):
        return
    x = value * p.polarity
    if s.count == 0:
        if flags & UNTRUSTED_FLAGS == 0:
            s.background = x
            s.variance = p.noise_absolute * p.noise_absolute
            s.first = at
            s.at = at
            s.gain = 1.0
            s.count = 1
        return
    if at <= s.at or flags & UNTRUSTED_FLAGS == 0:
        return
    noise_floor = p.noise_absolute + p.noise_relative * abs(s.background)
    own_noise = math.sqrt(s.variance + noise_floor * noise_floor)
    if s.count > WARM_UP_READINGS and x - s.background > max(p.sure * own_noise, p.smallest):
        note_outlier(s, e, at, x, s.background, own_noise, flags & UNTRUSTED_FLAGS)
