"""Learning rates of background and noise, their beginning, and readings that teach nothing."""

import math
from typing import Any

from numba import njit

from edge_agent.wire import EXCLUDED_FLAGS, INVALID_FLAGS

HYGROSCOPIC_GROWTH = 2.0  # apparent mass of particles in humid air, at most about (Crilley, AMT 11, 709)
EXCLUDED_MASK = int(EXCLUDED_FLAGS)
INVALID_MASK = int(INVALID_FLAGS)
WARM_UP_READINGS = 24  # readings
_MAX_GAP = 30.0  # minutes: a longer gap counts as this
MAX_COUNT = 9_999
MAX_INT32 = 2**31 - 1


@njit(nogil=True, cache=True, error_model="numpy")
def exponential_steps(u: float, v: float) -> tuple[float, float]:
    """1 - exp(-u) and 1 - exp(-v) for u, v >= 0, with one division for both (see the package)."""
    u = u if u < 3.0 else 3.0
    v = v if v < 3.0 else 3.0
    denominator_u = 1.0 + u * (0.5 + u * (1 / 12))
    denominator_v = 1.0 + v * (0.5 + v * (1 / 12))
    reciprocal = 1.0 / (denominator_u * denominator_v)
    return u * denominator_v * reciprocal, v * denominator_u * reciprocal


@njit(nogil=True, cache=True, error_model="numpy")
def compute_step_sizes(p: Any, gap_ms: int, age_ms: int) -> tuple[float, float, float, float, float]:
    """Return the weights of a gap of `gap_ms` in a stream of age `age_ms`.

    (CUSUM weight, CUSUM weight if z >= sure, background step, background step while falling, noise step)
    """
    gap = gap_ms * (1 / 60_000)
    gap = gap if gap < _MAX_GAP else _MAX_GAP
    initial_rate = 0.0 if age_ms >= p.settling_ms else 60_000 / age_ms
    cusum_weight, fast_cusum_weight = gap * p.cusum_rate, gap * p.fast_cusum_rate
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
    """Record a reading that stands out and may not be a peak."""
    if s.outlier_count == 0 or x - level > e.outlier_peak - e.outlier_level:
        e.outlier_peak = x
        e.outlier_level = level
        e.outlier_noise = noise
    if s.outlier_count == 0:
        e.outlier_since = at
        e.outlier_flags = 0
    e.outlier_ms = min(at - e.outlier_since, MAX_INT32)
    e.outlier_flags |= flags
    s.outlier_count = min(s.outlier_count + 1, MAX_COUNT)


@njit(nogil=True, cache=True, error_model="numpy")
def outlier_until(e: Any) -> Any:
    """Return the time in ms of the last reading that stands out and is not resolved."""
    return e.outlier_since + e.outlier_ms


@njit(nogil=True, cache=True, error_model="numpy")
def start_background(s: Any, e: Any, p: Any, at: int, x: float) -> None:
    """Begin background and noise with this reading, as nothing before it holds any more."""
    s.background = x
    s.variance = p.noise_absolute * p.noise_absolute
    s.residual = 0.0
    s.cusum = 0.0
    s.gain = 1.0
    s.first_at = at
    s.at = at
    s.gap_ms = 0
    s.count = 1
    s.outlier_count = 0
    e.resumed_seconds = 0
    e.restlessness = 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def note_invalid_reading(s: Any, e: Any, p: Any, at: int, x: float, flags: int) -> None:
    """Record an invalid reading that would be far above the background."""
    noise_floor = p.noise_absolute + p.noise_relative * abs(s.background)
    own_noise = math.sqrt(s.variance + noise_floor * noise_floor)
    if x - s.background > max(p.sure * own_noise, p.smallest):
        note_outlier(s, e, at, x, s.background, own_noise, flags & INVALID_MASK)
