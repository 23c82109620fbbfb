"""The common mode: the excess that the neighbours of a datastream share at this moment."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gateway.detection.kernels.baseline import WARM_UP_READINGS
from gateway.detection.kernels.quartiles import MAX_VALUES, compute_quartiles
from gateway.detection.records import AWAITED, DECIDED, UNDECIDED, StateArrays, Topology

MAX_AGE_MS = 15 * 60_000  # ms: an older reading is not used
MIN_FOR_QUARTILES = 4  # fewer neighbours have no quartiles
SMALL_GROUP = 9  # up to this size the station itself is left out
_MIN_RISING_NEIGHBOURS = 2
_DECISION_MS = 15 * 60_000  # ms: by then an episode of many neighbours is recognised and has reached all of them
_AWAITED_MS = 5 * 60_000  # ms after the onset
_MIN_AWAITED = 3  # neighbours
_RISING_NOISE = 1.0  # times the noise
_RISING_SHARE = 0.25  # of the neighbours
_STANDING_OUT = 8.0  # times the mean residual of the neighbours that rise
_STANDING_OUT_OF_EPISODE = 2.0  # the same beside an episode that all stations have reached
_LARGE_GROUP = 10  # from this size the common mode is updated once per size / 3 readings


@njit(nogil=True, cache=True, error_model="numpy", forceinline=True)
def update_common_mode(
    g: Any,
    streams: NDArray[np.void],
    members: NDArray[np.int32],
    begin: int,
    size: int,
    excluded: int,
    now: int,
    lift: float,
    scratch: NDArray[np.float64],
) -> int:
    """Write (c, M) of the fresh members into the group, return the number of fresh members.

    Guests are no part of it: `size` is the number of the other members, which come first.

    Uses members[begin : begin + size] except `excluded` (-1: none); zeros if fewer than two are fresh. Of more than 32
    members every k-th is used, with another start each time.
    """
    fresh_count = 0
    step = (size + MAX_VALUES - 1) // MAX_VALUES
    for position in range(begin + (g.reading_count % step if step > 1 else 0), begin + size, step):
        j = members[np.uint64(position)]
        s = streams[np.uint64(j)]
        scratch[np.uint64(fresh_count)] = s.residual
        fresh_count += 1 if j != excluded and s.count > WARM_UP_READINGS and abs(now - s.at) <= MAX_AGE_MS else 0
    g.due_count = g.reading_count + (1 if size < _LARGE_GROUP else size // 3)
    g.spread = 0.0
    g.common = 0.0
    if fresh_count >= MIN_FOR_QUARTILES:
        low, middle, high = compute_quartiles(scratch, fresh_count)
        g.common = middle + lift * (high - middle)
        g.spread = 0.7413 * (high - low)
    elif fresh_count >= 2:
        low = scratch[0]
        for k in range(1, fresh_count):
            low = min(low, scratch[k])
        g.common = low
    return fresh_count


@njit(nogil=True, cache=True, error_model="numpy")
def compute_min_excess(state: StateArrays, topology: Topology, p: Any, slot: int, now: int) -> float:
    """Return the excess that an event needs: more if at least two neighbours that are no guests rise or rose recently.

    A plume is narrow. A rise at several stations, one after the other and from all sides, is pollution in still air
    and not a plume of one station.
    """
    group = topology.group_of[slot]
    rising_count = 0
    for position in range(topology.offsets[group], topology.own_ends[group]):
        j = topology.members[position]
        s, e = state.streams[j], state.events[j]
        if j != slot and abs(now - s.at) <= MAX_AGE_MS:
            peaked_recently = e.peak_at > 0 and abs(now - e.peak_at) <= MAX_AGE_MS
            rising_count += 1 if peaked_recently or s.revision > 0 or (s.residual > p.smallest and s.cusum > 0.0) else 0
    return float(p.smallest_among if rising_count >= _MIN_RISING_NEIGHBOURS else p.smallest)


@njit(nogil=True, cache=True, error_model="numpy")
def compare_with_neighbours(state: StateArrays, topology: Topology, p: Any, slot: int, now: int) -> int:
    """Return whether the event of `slot` may be the beginning of an episode at `now` (ms).

    UNDECIDED  so many neighbours rise that it may be; unless it stands out of them, or is older than an episode of many
               neighbours needs
    AWAITED    no neighbour shows it, but the next readings of three or more of them are still to come
    DECIDED    it is a peak of this station

    Guests and the twin do not count.
    """
    group = topology.group_of[slot]
    fresh_count, rising_count, total = 0, 0, 0.0
    for position in range(topology.offsets[group], topology.own_ends[group]):
        j = topology.members[position]
        s = state.streams[j]
        if j == slot or topology.twin_of[slot] == j or s.count <= WARM_UP_READINGS or abs(now - s.at) > MAX_AGE_MS:
            continue
        fresh_count += 1
        limit = _RISING_NOISE * _RISING_NOISE * (s.variance + p.event_noise * p.event_noise)
        if s.residual > 0.0 and s.residual * s.residual > limit:
            rising_count += 1
            total += s.residual
    g, e = state.groups[group], state.events[slot]
    has_episode = g.revision > 0
    if rising_count > 0 and rising_count >= _RISING_SHARE * fresh_count:
        is_old_episode = has_episode and now - g.onset > _DECISION_MS
        factor = _STANDING_OUT_OF_EPISODE if is_old_episode else _STANDING_OUT
        is_late = fresh_count >= MIN_FOR_QUARTILES and not has_episode and now - e.onset > _DECISION_MS
        if not is_late and state.streams[slot].residual * rising_count < factor * total:
            return UNDECIDED
    return AWAITED if fresh_count >= _MIN_AWAITED and p.judged > 0.0 and is_early(e, p, now) else DECIDED


@njit(nogil=True, cache=True, error_model="numpy")
def is_early(e: Any, p: Any, now: int) -> Any:
    """Whether an event is so young at `now` (ms) that its neighbours would not yet show an episode.

    An event that came down again is no beginning of an episode. A severe one waits for one more reading only.
    """
    if e.below_count > 0 or e.confirmed_by_tail > 0:
        return False
    is_severe = e.peak - e.peak_background >= p.severe
    return e.is_reported == 0 or (not is_severe and now - e.onset < _AWAITED_MS)
