"""The life of one datastream's event: what rises is watched, opened, followed and closed."""

import math
from typing import Any, NamedTuple

from numba import njit

from edge_agent.wire import Flag
from gateway.detection.kernels.baseline import WARM_UP_READINGS, note_outlier
from gateway.detection.kernels.changes import write_change
from gateway.detection.kernels.regional import LOW_SHARE, MERGE_WINDOW_MS, has_grown, is_part_of_episode
from gateway.detection.records import ENDED, GLITCH, HUMIDITY, MERGED, OPENED, PEAK, SENSOR, UPDATED, VOIDED

STUCK_FLAG = int(Flag.STUCK)
_HUMIDITY_FLAG = int(Flag.HUMIDITY)
_MAX_DURATION_MS = 120 * 60_000  # ms: an event that lasts longer is the new background
_HYGROSCOPIC_GROWTH = 2.0  # humid air makes particles look up to about this much heavier (Crilley, AMT 11, 709)
_MIN_TAIL_GAP_MS = 30_000  # ms between readings from which on one of them may be all of a plume
_MAX_TAIL_GAP_MS = 180_000  # ms: later than that nothing is left of it
_MIN_NOISE_SHARE = 0.25  # of the least noise of the settings: what no sensor is steadier than
_MIN_TAIL_SHARE = 0.01  # of the height of the odd reading
_VOID_DISAGREEMENTS = 3  # readings that a twin contradicts before an event is taken back
_MAX_COUNT = 9_999


class ScoredRow(NamedTuple):
    """One reading with what `rows` worked out of it.

    `before` is the evidence before it, `last` the reading before it, by what the background is now; `twin`: it has one;
    `least`: the excess from which on it is told.
    """

    row: int
    slot: int
    at: int
    x: float
    flags: int
    level: float
    noise: float
    excess: float
    z: float
    previous_cusum: float
    previous_x: float
    has_twin: bool
    min_excess: float


@njit(nogil=True, cache=True, error_model="numpy")
def follow_reading(s: Any, e: Any, g: Any, twin: Any, p: Any, r: ScoredRow, is_tail: bool) -> int:
    """Take a reading that rises or belongs to an open event; returns what happened (0: nothing).

    s STREAM and e EVENT of the datastream, g GROUP, twin STREAM (its own where there is none), p PARAMETERS;
    trailing: the reading before stood out, and this is its tail.
    """
    if r.previous_cusum == 0.0 and s.revision == 0 and not is_tail:
        begin_rise(e, r, s.background)
    if r.z >= p.odd and s.revision == 0 and s.odd_count == 0 and r.excess > p.smallest and s.count > WARM_UP_READINGS:
        note_single_outlier(s, e, p, r)
    e.readings += 1
    e.flags |= r.flags
    e.humid += 1 if r.flags & _HUMIDITY_FLAG else 0
    if r.has_twin:
        compare_twin(s, e, twin, p)
    if s.revision > 0:
        return follow_open_event(s, e, g, p, r)
    if s.evidence > p.threshold and r.excess > r.min_excess and s.count > WARM_UP_READINGS:
        is_tail = False
    elif not is_tail:
        return 0
    open_event(s, e, r)
    e.trailing = 1 if is_tail else 0
    if is_tail:
        e.onset = e.odd_since
    if s.odd_count > 0 and e.odd_flags == 0 and e.odd_until != r.at:
        use_outlier_as_peak(e)
    return OPENED


@njit(nogil=True, cache=True, error_model="numpy")
def apply_change(change: Any, change_code: int, s: Any, e: Any, g: Any, r: ScoredRow) -> None:
    """Tell what `follow` found; what is over leaves nothing behind."""
    s.revision += 1
    write_change(change, r.row, change_code, int(e.kind), r.slot, s, e, g)
    if change_code in (ENDED, VOIDED, MERGED):
        if r.at - e.onset > _MAX_DURATION_MS:
            s.background = r.x
        s.revision = 0
        s.evidence = 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def has_tail(s: Any, e: Any, p: Any, r: ScoredRow) -> Any:
    """Whether the reading after an odd one was above those around the two: a plume leaves a tail, a glitch none.

    The next reading alone must say so clearly; with the one after it, which shows how the air moved meanwhile, less
    will do. What moves by itself moves more where readings are further apart.
    """
    if s.revision > 0 or e.odd_flags != 0 or not _MIN_TAIL_GAP_MS <= r.at - e.odd_until <= _MAX_TAIL_GAP_MS:
        return False
    tail_height, noise_factor = r.x - e.odd_before, p.tail_now
    if s.odd_count > 1:
        tail_height, noise_factor = e.odd_after - 0.5 * (e.odd_before + r.x), p.tail
    gap_minutes = max(1.0, (r.at - e.odd_until) * (1 / 60_000))
    return tail_height > max(noise_factor * gap_minutes * e.odd_own, _MIN_TAIL_SHARE * (e.odd_peak - e.odd_level))


@njit(nogil=True, cache=True, error_model="numpy")
def note_single_outlier(s: Any, e: Any, p: Any, r: ScoredRow) -> None:
    """Remember a reading that alone stands out: its successors tell what it was."""
    note_outlier(s, e, r.at, r.x, r.level, r.noise, 0)
    min_noise = _MIN_NOISE_SHARE * p.noise_absolute
    e.odd_before = r.previous_x
    e.odd_own = math.sqrt(s.variance + min_noise * min_noise)


@njit(nogil=True, cache=True, error_model="numpy")
def resolve_outlier(change: Any, s: Any, e: Any, g: Any, p: Any, r: ScoredRow) -> int:
    """The readings after an odd one tell what that was; returns how many changes this makes."""
    height = e.odd_peak - e.odd_level
    has_returned = s.revision == 0 and r.excess < LOW_SHARE * height
    if (
        has_returned
        and e.odd_flags == 0
        and s.odd_count == 1
        and _MIN_TAIL_GAP_MS <= r.at - e.odd_until <= _MAX_TAIL_GAP_MS
    ):
        e.odd_after = r.x
        e.odd_until = r.at
        s.odd_count = 2
        return 0
    is_reported = e.odd_flags != 0 or (has_returned and height >= p.sure * e.odd_noise)
    if is_reported:
        write_change(change, r.row, ENDED, SENSOR if e.odd_flags != 0 else GLITCH, r.slot, s, e, g)
    s.odd_count = 0
    return 1 if is_reported else 0


@njit(nogil=True, cache=True, error_model="numpy")
def begin_rise(e: Any, r: ScoredRow, background: float) -> None:
    """The first reading with evidence."""
    e.rise = r.at
    e.rise_background = background
    e.readings = 0
    e.humid = 0
    e.flags = 0
    e.agrees = 0
    e.disagrees = 0
    e.wind_east = 0.0
    e.wind_north = 0.0
    e.wind_speed = 0.0
    e.wind_readings = 0


@njit(nogil=True, cache=True, error_model="numpy")
def accumulate_wind(e: Any, east: float, north: float, speed: float) -> None:
    """Add where the wind comes from at this reading."""
    e.wind_east += east
    e.wind_north += north
    e.wind_speed += speed
    e.wind_readings += 1


@njit(nogil=True, cache=True, error_model="numpy")
def compare_twin(s: Any, e: Any, twin: Any, p: Any) -> None:
    """Count whether the collocated twin says the same."""
    if twin.count > WARM_UP_READINGS and twin.at >= e.rise:
        if twin.residual > LOW_SHARE * s.residual:
            e.agrees = min(e.agrees + 1, _MAX_COUNT)
        elif s.residual > p.smallest:
            e.disagrees = min(e.disagrees + 1, _MAX_COUNT)


@njit(nogil=True, cache=True, error_model="numpy")
def open_event(s: Any, e: Any, r: ScoredRow) -> None:
    """Enough evidence: what it is, as far as one can tell now."""
    event_background = min(s.background, e.rise_background) + (r.level - s.background)
    e.onset = e.rise
    e.detected = r.at
    e.told = r.x - event_background
    e.below = 0
    e.peak = r.x
    e.peak_at = r.at
    e.peak_background = event_background
    e.peak_noise = r.noise
    e.peak_common = r.level - s.background
    e.kind = PEAK
    if e.disagrees > e.agrees:
        e.kind = SENSOR
    elif 2 * e.humid > e.readings and r.x - event_background < _HYGROSCOPIC_GROWTH * max(event_background, 0.0):
        e.kind = HUMIDITY


@njit(nogil=True, cache=True, error_model="numpy")
def use_outlier_as_peak(e: Any) -> None:
    """The peak was the odd reading before this one, if that was higher."""
    if e.odd_peak - e.odd_level <= e.peak - e.peak_background:
        return
    e.peak = e.odd_peak
    e.peak_at = e.odd_since
    e.peak_background = e.odd_level
    e.peak_noise = e.odd_noise
    e.peak_common = 0.0
    e.told = e.peak - e.peak_background


@njit(nogil=True, cache=True, error_model="numpy")
def follow_open_event(s: Any, e: Any, g: Any, p: Any, r: ScoredRow) -> int:
    """One more reading of an open event; returns what happened to it (0: nothing)."""
    event_background = min(s.background, e.rise_background) + (r.level - s.background)
    if r.x - event_background > e.peak - e.peak_background:
        e.peak = r.x
        e.peak_at = r.at
        e.peak_background = event_background
        e.peak_noise = r.noise
        e.peak_common = r.level - s.background
    peak_excess = e.peak - e.peak_background
    if r.excess < LOW_SHARE * peak_excess or r.z < 1:
        if e.below == 0:
            e.below_since = r.at
        e.below += 1
    else:
        e.below = 0
    too_long = r.at - e.onset > _MAX_DURATION_MS
    if r.flags & STUCK_FLAG or (e.kind == PEAK and e.disagrees >= _VOID_DISAGREEMENTS and e.agrees == 0):
        e.below_since = r.at
        return VOIDED
    if g.revision > 0 and e.kind == PEAK and e.onset >= g.onset - MERGE_WINDOW_MS and is_part_of_episode(s, e, g):
        return MERGED
    if too_long or (e.below >= 2 and r.at - e.below_since >= 1_000 * p.close_seconds):
        if e.below == 0:
            e.below_since = r.at
        return ENDED
    exceeds_swelling = e.kind == HUMIDITY and peak_excess > _HYGROSCOPIC_GROWTH * max(e.peak_background, 0.0)
    if exceeds_swelling or (e.kind == SENSOR and e.agrees > e.disagrees):
        e.kind = PEAK
        e.told = peak_excess
        return UPDATED
    if has_grown(p, e.told, peak_excess):
        e.told = peak_excess
        return UPDATED
    return 0
