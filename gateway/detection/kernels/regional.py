"""Regional episodes: a rise that all members of a group share, and the peaks that were its beginning."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gateway.detection.kernels.changes import write_change
from gateway.detection.kernels.common_mode import MIN_FOR_QUARTILES
from gateway.detection.records import ENDED, MERGED, OPENED, PEAK, REGIONAL, UPDATED, StateArrays, Topology

LOW_SHARE = 0.3
_UPDATE_GROWTH = 1.3  # growth of the excess that causes an update
MERGE_WINDOW_MS = 30 * 60_000  # ms: events that began so shortly before an episode belong to it
MIN_OWN_SHARE = 0.5  # during an episode a peak needs at least this share of excess above the common mode
_MAX_DURATION_MS = 24 * 3_600_000  # ms
_CLOSE_DELAY_MS = 300_000  # ms below the limit until an episode closes


@njit(nogil=True, cache=True, error_model="numpy")
def follow_regional(
    state: StateArrays,
    topology: Topology,
    p: Any,
    slot: int,
    own_noise: float,
    fresh_count: int,
    row: int,
    changes: NDArray[np.void],
    change_count: int,
) -> int:
    """Update the episode of the group of `slot` from `fresh_count` members; return the new number of changes."""
    group = topology.group_of[slot]
    g, s = state.groups[group], state.streams[slot]
    common = g.common if fresh_count >= MIN_FOR_QUARTILES else min(g.common, s.residual)
    change_code = update_episode(g, p, common, s.background, own_noise, slot, s.at)
    if change_code:
        j = g.slot
        write_change(changes[change_count], row, change_code, REGIONAL, j, state.streams[j], state.events[j], g)
        change_count += 1
    if change_code == OPENED:
        change_count = merge_peaks(state, topology, group, row, changes, change_count)
    if change_code == ENDED:
        g.revision = 0
        g.cusum = 0.0
    return change_count


@njit(nogil=True, cache=True, error_model="numpy")
def merge_peaks(
    state: StateArrays,
    topology: Topology,
    group: int,
    row: int,
    changes: NDArray[np.void],
    change_count: int,
) -> int:
    """Merge open peaks of members into the episode that they began."""
    g = state.groups[group]
    for position in range(topology.offsets[group], topology.offsets[group + 1]):
        j = int(topology.members[position])
        s, e = state.streams[j], state.events[j]
        if s.revision == 0 or e.onset < g.onset - MERGE_WINDOW_MS or e.kind != PEAK:
            continue
        if is_part_of_episode(s, e, g):
            if e.is_reported > 0:
                s.revision += 1
                write_change(changes[change_count], row, MERGED, PEAK, j, s, e, g)
                change_count += 1
            s.revision = 0
            s.cusum = 0.0
    return change_count


@njit(nogil=True, cache=True, error_model="numpy")
def is_part_of_episode(s: Any, e: Any, g: Any) -> Any:
    """Whether a peak is only the beginning of an episode: the common mode is at least half of its height."""
    return s.gain * g.common > (1 - MIN_OWN_SHARE) * (e.peak - e.peak_background + e.peak_common)


@njit(nogil=True, cache=True, error_model="numpy")
def has_grown(p: Any, reported: float, excess: float) -> Any:
    """Whether an excess needs an update: much larger than reported, or of a higher severity."""
    severity_rose = reported < p.moderate <= excess or reported < p.severe <= excess or reported < p.extreme <= excess
    return severity_rose or excess > _UPDATE_GROWTH * reported


@njit(nogil=True, cache=True, error_model="numpy")
def update_episode(g: Any, p: Any, common: float, background: float, own_noise: float, slot: int, now: int) -> int:
    """Update a group's episode by one value of the common mode; return the change code (0: no change)."""
    gap_minutes = (now - g.at) * (1 / 60_000) if g.at > 0 else 0.0
    if gap_minutes <= 0.0:
        g.at = max(now, g.at)
        return 0
    g.at = now
    z = common / own_noise
    if g.cusum == 0.0:
        g.rise_at = now
    increment = min(1.0, gap_minutes * p.cusum_rate) * (min(z, p.clip) - p.drift)
    g.cusum = min(max(g.cusum + increment, 0.0), 4 * p.threshold)
    if g.revision == 0:
        if g.cusum <= p.threshold or common <= 2 * p.smallest:
            return 0
        g.onset = g.rise_at
        g.detected_at = now
        g.reported_excess = common
        g.below_count = 0
        g.slot = slot
        g.peak = 0.0
    if common > g.peak:
        g.peak = common
        g.peak_at = now
        g.peak_background = background
        g.peak_noise = own_noise
    if g.revision == 0:
        g.revision = 1
        return OPENED
    if common < LOW_SHARE * g.peak or z < 1:
        if g.below_count == 0:
            g.below_since = now
        g.below_count += 1
    else:
        g.below_count = 0
    too_long = now - g.onset > _MAX_DURATION_MS
    if too_long or (g.below_count >= 2 and now - g.below_since >= _CLOSE_DELAY_MS):
        if g.below_count == 0:
            g.below_since = now
        g.revision += 1
        return ENDED
    if has_grown(p, g.reported_excess, g.peak):
        g.reported_excess = g.peak
        g.revision += 1
        return UPDATED
    return 0
