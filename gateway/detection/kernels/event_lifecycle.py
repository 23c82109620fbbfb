"""Life cycle of one datastream's event: rise, open, follow, close. `detect` calls it for readings that rise."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from edge_agent.wire import Flag
from gateway.detection.kernels.baseline import (
    HYGROSCOPIC_GROWTH,
    MAX_COUNT,
    WARM_UP_READINGS,
    outlier_until,
)
from gateway.detection.kernels.changes import write_change
from gateway.detection.kernels.common_mode import compare_with_neighbours
from gateway.detection.kernels.corroboration import MIN_RESULTANT, note_rise
from gateway.detection.kernels.gaps import silence_limit
from gateway.detection.kernels.judge import begin_candidate, find_limit, judge_candidate, raise_limit
from gateway.detection.kernels.outliers import note_single_outlier, use_outlier_as_peak
from gateway.detection.kernels.regional import LOW_SHARE, MERGE_WINDOW_MS, has_grown, is_part_of_episode
from gateway.detection.kernels.scored_row import ScoredRow
from gateway.detection.records import (
    DECIDED,
    ENDED,
    HUMIDITY,
    MERGED,
    OPENED,
    PEAK,
    RENEWED,
    SENSOR,
    UPDATED,
    VOIDED,
    DecisionTrees,
    StateArrays,
    Topology,
)

_HUMIDITY_FLAG = int(Flag.HUMIDITY)
_MAX_DURATION_MS = 120 * 60_000  # ms: a longer event becomes the new background
_FEWEST_READINGS = 5  # before a rise: then an excess that is beyond doubt needs no full warm-up
_SECOND_PLUME_MS = 7 * 60_000  # ms after the onset: before that a steep rise is still the first plume
_SECOND_PLUME_GROWTH = 2.5  # times the largest excess so far

_VOID_DISAGREEMENTS = 3  # readings contradicted by a twin until an event is voided


@njit(nogil=True, cache=True, error_model="numpy")
def follow_reading(s: Any, e: Any, g: Any, twin: Any, p: Any, r: ScoredRow, is_tail: bool) -> int:
    """Follow a reading that rises or belongs to an open event; return the change code (0: no change).

    s STREAM and e EVENT of the datastream, g GROUP, twin STREAM (s itself without a twin), p PARAMETERS;
    is_tail: the reading before was an outlier, and this is its tail.
    """
    if r.previous_cusum == 0.0 and s.revision == 0 and not is_tail:
        begin_rise(e, r, s.background)
    if (
        r.z >= p.odd
        and s.revision == 0
        and s.outlier_count == 0
        and r.excess > p.smallest
        and s.count > WARM_UP_READINGS
    ):
        note_single_outlier(s, e, p, r)
    e.readings = min(e.readings + 1, MAX_COUNT)
    e.flags |= r.flags
    e.humid_readings = min(e.humid_readings + (1 if r.flags & _HUMIDITY_FLAG else 0), MAX_COUNT)
    if r.has_twin:
        compare_twin(s, e, twin, p)
    if s.revision > 0:
        return RENEWED if is_second_plume(s, e, p, r) else follow_open_event(s, e, g, p, r)
    if s.cusum > p.threshold and r.excess > r.min_excess and is_warm(s, e, p, r):
        is_tail = False
    elif not is_tail:
        return 0
    open_event(s, e, p, r)
    e.confirmed_by_tail = 1 if is_tail else 0
    if is_tail:
        e.onset = e.outlier_since
    if s.outlier_count > 0 and outlier_until(e) != r.at:
        use_outlier_as_peak(e)
    return OPENED


@njit(nogil=True, cache=True, error_model="numpy")
def is_warm(s: Any, e: Any, p: Any, r: ScoredRow) -> Any:
    """Whether the background has enough readings for this excess."""
    return s.count > WARM_UP_READINGS or (s.count - e.readings >= _FEWEST_READINGS and r.z >= p.sure)


@njit(nogil=True, cache=True, error_model="numpy")
def is_second_plume(s: Any, e: Any, p: Any, r: ScoredRow) -> Any:
    """Whether a plume begins at this reading while an event or a candidate is open that is small beside it."""
    excess = r.x - min(s.background, e.rise_background) - (r.level - s.background)
    is_large = r.z >= p.quick and excess >= _SECOND_PLUME_GROWTH * (e.peak - e.peak_background)
    return e.kind == PEAK and is_large and _SECOND_PLUME_MS <= r.at - e.onset <= _MAX_DURATION_MS


@njit(nogil=True, cache=True, error_model="numpy")
def apply_change(change: Any, change_code: int, s: Any, e: Any, g: Any, r: ScoredRow) -> int:
    """Write the change of a reported event; reset the stream if the event is over. Returns the number written."""
    is_written = e.is_reported > 0 and change_code != OPENED
    if is_written or change_code == OPENED:
        s.revision += 1
    if is_written:
        write_change(change, r.row, change_code, int(e.kind), r.slot, s, e, g)
    if change_code == OPENED:
        silent_at = s.at + silence_limit(s)
        g.silent_at = silent_at if g.silent_at == 0 else min(g.silent_at, silent_at)
    if change_code in (ENDED, VOIDED, MERGED):
        if r.at - e.onset > _MAX_DURATION_MS:
            s.background = r.x
        if is_written:
            raise_limit(e)
        s.revision = 0
        s.cusum = 0.0
    return 1 if is_written else 0


@njit(nogil=True, cache=True, error_model="numpy")
def begin_second_plume(change: Any, s: Any, e: Any, g: Any, p: Any, r: ScoredRow) -> int:
    """End the open event or candidate, and begin a candidate with this reading. Returns the number of changes."""
    background, cusum = min(s.background, e.rise_background), s.cusum
    if e.below_count == 0:
        e.below_since = r.at
    written_count = apply_change(change, ENDED, s, e, g, r)
    begin_rise(e, r, background)
    e.readings = 1
    e.flags = r.flags
    e.confirmed_by_tail = 0
    open_event(s, e, p, r)
    s.revision = 1
    s.cusum = cusum
    return written_count


@njit(nogil=True, cache=True, error_model="numpy")
def report_candidate(
    change: Any,
    judge: DecisionTrees,
    trace: NDArray[np.float64],
    state: StateArrays,
    topology: Topology,
    p: Any,
    r: ScoredRow,
    own_noise: float,
    features: NDArray[np.float64],
) -> int:
    """Report a candidate that is an event by now, or decide one that was undecided; return the number of changes.

    An event is undecided while its neighbours rise as well, or may show in a moment that they do: it may be the
    beginning of an episode.
    """
    s, e, g = state.streams[r.slot], state.events[r.slot], state.groups[topology.group_of[r.slot]]
    if p.judged > 0.0:
        judge_candidate(judge, trace, s, e, p, r, own_noise, features)
    is_small = e.peak - e.peak_background <= p.smallest_event
    if p.judged > 0.0 and (is_small or e.log_odds < 1_000 * (find_limit(e, p) + e.limit_offset)):
        return 0
    if e.is_reported == 0 and g.revision > 0 and e.kind == PEAK and is_part_of_episode(s, e, g):
        return 0
    is_new = e.is_reported == 0
    if e.is_reported == DECIDED:
        return 0
    decision = compare_with_neighbours(state, topology, p, r.slot, r.at) if e.kind == PEAK else DECIDED
    if not is_new and decision != DECIDED:
        return 0
    e.is_reported = decision
    e.reported_excess = e.peak - e.peak_background
    if is_new:
        e.detected_at = r.at
        note_rise(e, e.onset)
    else:
        s.revision += 1
    write_change(change, r.row, OPENED if is_new else UPDATED, int(e.kind), r.slot, s, e, g)
    return 1


@njit(nogil=True, cache=True, error_model="numpy")
def begin_rise(e: Any, r: ScoredRow, background: float) -> None:
    """Start a rise: the first reading with C > 0."""
    e.rise_at = r.at
    e.rise_background = background
    e.readings = 0
    e.humid_readings = 0
    e.flags = 0
    e.twin_agreements = 0
    e.twin_disagreements = 0
    e.wind_east = 0.0
    e.wind_north = 0.0
    e.wind_speed = 0.0
    e.wind_readings = 0


@njit(nogil=True, cache=True, error_model="numpy")
def accumulate_wind(e: Any, east: float, north: float, speed: float) -> None:
    """Add the wind of this reading to the sums of the rise."""
    if e.wind_readings == MAX_COUNT:
        return
    e.wind_east += east
    e.wind_north += north
    e.wind_speed += speed
    e.wind_readings += 1


@njit(nogil=True, cache=True, error_model="numpy")
def accumulate_own_wind(e: Any, w: Any, wind: NDArray[np.float32], row: int) -> None:
    """Add the station's own wind; without a direction if that of the area turns, which one reading cannot show."""
    is_steady = w.east * w.east + w.north * w.north >= MIN_RESULTANT * MIN_RESULTANT
    accumulate_wind(e, wind[row, 0] if is_steady else 0.0, wind[row, 1] if is_steady else 0.0, wind[row, 2])


@njit(nogil=True, cache=True, error_model="numpy")
def compare_twin(s: Any, e: Any, twin: Any, p: Any) -> None:
    """Count whether the collocated twin agrees."""
    if twin.count > WARM_UP_READINGS and twin.at >= e.rise_at:
        if twin.residual > LOW_SHARE * s.residual:
            e.twin_agreements = min(e.twin_agreements + 1, MAX_COUNT)
        elif s.residual > p.smallest:
            e.twin_disagreements = min(e.twin_disagreements + 1, MAX_COUNT)


@njit(nogil=True, cache=True, error_model="numpy")
def open_event(s: Any, e: Any, p: Any, r: ScoredRow) -> None:
    """Open an event as a candidate and classify it by what is known so far."""
    begin_candidate(e, p, r.at)
    event_background = min(s.background, e.rise_background) + (r.level - s.background)
    e.onset = e.rise_at
    e.detected_at = r.at
    e.reported_excess = r.x - event_background
    e.below_count = 0
    e.peak = r.x
    e.peak_at = r.at
    e.peak_background = event_background
    e.peak_noise = r.noise
    e.peak_common = r.level - s.background
    e.kind = PEAK
    if e.twin_disagreements > e.twin_agreements:
        e.kind = SENSOR
    elif 2 * e.humid_readings > e.readings and r.x - event_background < HYGROSCOPIC_GROWTH * max(event_background, 0.0):
        e.kind = HUMIDITY


@njit(nogil=True, cache=True, error_model="numpy")
def follow_open_event(s: Any, e: Any, g: Any, p: Any, r: ScoredRow) -> int:
    """Follow an open event by one reading; return the change code (0: no change)."""
    event_background = min(s.background, e.rise_background) + (r.level - s.background)
    if r.x - event_background > e.peak - e.peak_background:
        e.peak = r.x
        e.peak_at = r.at
        e.peak_background = event_background
        e.peak_noise = r.noise
        e.peak_common = r.level - s.background
    peak_excess = e.peak - e.peak_background
    if r.excess < LOW_SHARE * peak_excess or r.z < 1:
        if e.below_count == 0:
            e.below_since = r.at
        e.below_count = min(e.below_count + 1, 2)
    else:
        e.below_count = 0
    too_long = r.at - e.onset > _MAX_DURATION_MS
    if e.kind == PEAK and e.twin_disagreements >= _VOID_DISAGREEMENTS and e.twin_agreements == 0:
        e.below_since = r.at
        return VOIDED
    if g.revision > 0 and e.kind == PEAK and e.onset >= g.onset - MERGE_WINDOW_MS and is_part_of_episode(s, e, g):
        return MERGED
    if too_long or (e.below_count >= 2 and r.at - e.below_since >= 1_000 * p.close_seconds):
        if e.below_count == 0:
            e.below_since = r.at
        return ENDED
    exceeds_swelling = e.kind == HUMIDITY and peak_excess > HYGROSCOPIC_GROWTH * max(e.peak_background, 0.0)
    if exceeds_swelling or (e.kind == SENSOR and e.twin_agreements > e.twin_disagreements):
        e.kind = PEAK
        e.reported_excess = peak_excess
        return UPDATED
    if has_grown(p, e.reported_excess, peak_excess):
        e.reported_excess = peak_excess
        return UPDATED
    return 0
