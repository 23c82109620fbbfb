"""What a whole group sees: the episode that all of its members are in, and the peaks that were its beginning."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gateway.detection.kernels.changes import write_change
from gateway.detection.kernels.common_mode import MIN_FOR_QUARTILES
from gateway.detection.records import ENDED, MERGED, OPENED, PEAK, REGIONAL, UPDATED, StateArrays, Topology

LOW_SHARE = 0.3
_UPDATE_GROWTH = 1.3  # an update is told when the excess has grown by this factor
MERGE_WINDOW_MS = 30 * 60_000  # ms: events that began so shortly before an episode were its beginning
MIN_OWN_SHARE = 0.5  # of what a station is above its background must be its own during an episode
_MAX_DURATION_MS = 24 * 3_600_000  # ms: as long may what all have in common last
_CLOSE_DELAY_MS = 300_000  # ms for which an episode must be over


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
    """Move the episode of the group of `slot` on, after a look at `fresh` members; how many changes there are now."""
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
        g.evidence = 0.0
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
    """Peaks of members that were the beginning of what all see now."""
    g = state.groups[group]
    for position in range(topology.offsets[group], topology.offsets[group + 1]):
        j = int(topology.members[position])
        s, e = state.streams[j], state.events[j]
        if s.revision == 0 or e.onset < g.onset - MERGE_WINDOW_MS or e.kind != PEAK:
            continue
        if is_part_of_episode(s, e, g):
            s.revision += 1
            write_change(changes[change_count], row, MERGED, PEAK, j, s, e, g)
            change_count += 1
            s.revision = 0
            s.evidence = 0.0
    return change_count


@njit(nogil=True, cache=True, error_model="numpy")
def is_part_of_episode(s: Any, e: Any, g: Any) -> Any:
    """Whether a peak is no more than the beginning of what all see: half of its height they see now too."""
    return s.gain * g.common > (1 - MIN_OWN_SHARE) * (e.peak - e.peak_background + e.peak_common)


@njit(nogil=True, cache=True, error_model="numpy")
def has_grown(p: Any, reported: float, excess: float) -> Any:
    """Whether an excess is worth an update: much larger than it was told, or of a higher severity."""
    severity_rose = reported < p.moderate <= excess or reported < p.severe <= excess or reported < p.extreme <= excess
    return severity_rose or excess > _UPDATE_GROWTH * reported


@njit(nogil=True, cache=True, error_model="numpy")
def update_episode(g: Any, p: Any, common: float, background: float, own_noise: float, slot: int, now: int) -> int:
    """Move a group's episode on by one look; returns what happened (0: nothing)."""
    gap_minutes = (now - g.at) * (1 / 60_000) if g.at > 0 else 0.0
    if gap_minutes <= 0.0:
        g.at = max(now, g.at)
        return 0
    g.at = now
    z = common / own_noise
    if g.evidence == 0.0:
        g.rise = now
    increment = min(1.0, gap_minutes * p.unit_rate) * (min(z, p.clip) - p.drift)
    g.evidence = min(max(g.evidence + increment, 0.0), 4 * p.threshold)
    if g.revision == 0:
        if g.evidence <= p.threshold or common <= 2 * p.smallest:
            return 0
        g.onset = g.rise
        g.detected = now
        g.told = common
        g.below = 0
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
        if g.below == 0:
            g.below_since = now
        g.below += 1
    else:
        g.below = 0
    too_long = now - g.onset > _MAX_DURATION_MS
    if too_long or (g.below >= 2 and now - g.below_since >= _CLOSE_DELAY_MS):
        if g.below == 0:
            g.below_since = now
        g.revision += 1
        return ENDED
    if has_grown(p, g.told, g.peak):
        g.told = g.peak
        g.revision += 1
        return UPDATED
    return 0
