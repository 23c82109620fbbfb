"""Outliers: a single reading that stands out, and what the next ones show it to be. `event_lifecycle` calls it."""

import math
from typing import Any

from numba import njit

from gateway.detection.kernels.baseline import note_outlier, outlier_until
from gateway.detection.kernels.changes import write_change
from gateway.detection.kernels.regional import LOW_SHARE
from gateway.detection.kernels.scored_row import ScoredRow
from gateway.detection.records import ENDED, GLITCH

_MIN_TAIL_GAP_MS = 30_000  # ms: with longer gaps one reading may be a whole plume
_MAX_TAIL_GAP_MS = 180_000  # ms: after a longer gap no tail is left
_MIN_NOISE_SHARE = 0.25  # of `noise_absolute`: no sensor is steadier
_MIN_TAIL_SHARE = 0.01  # of the height of the outlier


@njit(nogil=True, cache=True, error_model="numpy")
def has_tail(s: Any, e: Any, p: Any, r: ScoredRow) -> Any:
    """Whether the reading after an outlier is above its surroundings: a plume leaves a tail, a glitch does not.

    One follow-up reading needs a higher threshold than two. Thresholds grow faster than the interval: in a longer one
    the background moves more, and fewer plumes are so short that a single reading is all of them.
    """
    if s.revision > 0 or not _MIN_TAIL_GAP_MS <= r.at - outlier_until(e) <= _MAX_TAIL_GAP_MS:
        return False
    tail_height, noise_factor = r.x - e.outlier_before, p.tail_now
    if s.outlier_count > 1:
        tail_height, noise_factor = e.outlier_after - 0.5 * (e.outlier_before + r.x), p.tail
    gap_minutes = max(1.0, (r.at - outlier_until(e)) * (1 / 60_000))
    return tail_height > max(
        noise_factor * gap_minutes * math.sqrt(gap_minutes) * e.outlier_own_noise,
        _MIN_TAIL_SHARE * (e.outlier_peak - e.outlier_level),
    )


@njit(nogil=True, cache=True, error_model="numpy")
def note_single_outlier(s: Any, e: Any, p: Any, r: ScoredRow) -> None:
    """Record a single outlier; the readings after it decide what it was."""
    note_outlier(s, e, r.at, r.x, r.level, r.noise, 0)
    min_noise = _MIN_NOISE_SHARE * p.noise_absolute
    e.outlier_before = r.previous_x
    e.outlier_own_noise = math.sqrt(s.variance + min_noise * min_noise)


@njit(nogil=True, cache=True, error_model="numpy")
def resolve_outlier(change: Any, s: Any, e: Any, g: Any, p: Any, r: ScoredRow) -> int:
    """Decide from the readings after an outlier what it was; return the number of changes written (0 or 1)."""
    height = e.outlier_peak - e.outlier_level
    has_returned = s.revision == 0 and r.excess < LOW_SHARE * height
    if has_returned and s.outlier_count == 1 and _MIN_TAIL_GAP_MS <= r.at - outlier_until(e) <= _MAX_TAIL_GAP_MS:
        e.outlier_after = r.x
        e.outlier_ms = r.at - e.outlier_since
        s.outlier_count = 2
        return 0
    is_reported = has_returned and height >= p.sure * e.outlier_noise
    if is_reported:
        write_change(change, r.row, ENDED, GLITCH, r.slot, s, e, g)
        change.outlier = 1
    s.outlier_count = 0
    return 1 if is_reported else 0


@njit(nogil=True, cache=True, error_model="numpy")
def use_outlier_as_peak(e: Any) -> None:
    """Take the outlier before this reading as the peak, if it is higher."""
    if e.outlier_peak - e.outlier_level <= e.peak - e.peak_background:
        return
    e.peak = e.outlier_peak
    e.peak_at = e.outlier_since
    e.peak_background = e.outlier_level
    e.peak_noise = e.outlier_noise
    e.peak_common = 0.0
    e.reported_excess = e.peak - e.peak_background
