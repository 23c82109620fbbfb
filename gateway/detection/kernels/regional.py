"""What a whole group sees: the episode that all of its members are in, and the peaks that were its beginning."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gateway.detection.kernels.changes import tell
from gateway.detection.kernels.common_mode import FEW
from gateway.detection.records import ENDED, MERGED, OPENED, PEAK, REGIONAL, UPDATED, Memory, Places

LOW = 0.3
_WORSE = 1.3  # an update is told when the excess has grown by this factor
BEFORE = 30 * 60_000  # ms: events that began so shortly before an episode were its beginning
OWN = 0.5  # of what a station is above its background must be its own during an episode
_LONGEST = 24 * 3_600_000  # ms: as long may what all have in common last
_CALM = 300_000  # ms for which an episode must be over


@njit(nogil=True, cache=True, error_model="numpy")
def go_through(
    memory: Memory,
    places: Places,
    p: Any,
    slot: int,
    own: float,
    fresh: int,
    row: int,
    changes: NDArray[np.void],
    n: int,
) -> int:
    """Move the episode of the group of `slot` on, after a look at `fresh` members; how many changes there are now."""
    number = places.group_of[slot]
    g, s = memory.groups[number], memory.streams[slot]
    seen = g.common if fresh >= FEW else min(g.common, s.residual)
    what = follow_episode(g, p, seen, s.background, own, slot, s.at)
    if what:
        j = g.slot
        tell(changes[n], row, what, REGIONAL, j, memory.streams[j], memory.events[j], g)
        n += 1
    if what == OPENED:
        n = merge(memory, places, number, row, changes, n)
    if what == ENDED:
        g.revision = 0
        g.evidence = 0.0
    return n


@njit(nogil=True, cache=True, error_model="numpy")
def merge(
    memory: Memory,
    places: Places,
    number: int,
    row: int,
    changes: NDArray[np.void],
    n: int,
) -> int:
    """Peaks of members that were the beginning of what all see now."""
    g = memory.groups[number]
    for place in range(places.begins[number], places.begins[number + 1]):
        j = int(places.members[place])
        s, e = memory.streams[j], memory.events[j]
        if s.revision == 0 or e.onset < g.onset - BEFORE or e.kind != PEAK:
            continue
        if is_part(s, e, g):
            s.revision += 1
            tell(changes[n], row, MERGED, PEAK, j, s, e, g)
            n += 1
            s.revision = 0
            s.evidence = 0.0
    return n


@njit(nogil=True, cache=True, error_model="numpy")
def is_part(s: Any, e: Any, g: Any) -> Any:
    """Whether a peak is no more than the beginning of what all see: half of its height they see now too."""
    return s.gain * g.common > (1 - OWN) * (e.peak - e.peak_background + e.peak_common)


@njit(nogil=True, cache=True, error_model="numpy")
def has_grown(p: Any, told: float, now: float) -> Any:
    """Whether an excess is worth an update: much larger than it was told, or of a higher severity."""
    graver = told < p.moderate <= now or told < p.severe <= now or told < p.extreme <= now
    return graver or now > _WORSE * told


@njit(nogil=True, cache=True, error_model="numpy")
def follow_episode(g: Any, p: Any, common: float, level: float, own: float, slot: int, now: int) -> int:
    """Move a group's episode on by one look; returns what happened (0: nothing)."""
    gap = (now - g.at) * (1 / 60_000) if g.at > 0 else 0.0
    if gap <= 0.0:
        g.at = max(now, g.at)
        return 0
    g.at = now
    z = common / own
    if g.evidence == 0.0:
        g.rise = now
    change = min(1.0, gap * p.unit_rate) * (min(z, p.clip) - p.drift)
    g.evidence = min(max(g.evidence + change, 0.0), 4 * p.threshold)
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
        g.peak_background = level
        g.peak_noise = own
    if g.revision == 0:
        g.revision = 1
        return OPENED
    if common < LOW * g.peak or z < 1:
        if g.below == 0:
            g.below_since = now
        g.below += 1
    else:
        g.below = 0
    too_long = now - g.onset > _LONGEST
    if too_long or (g.below >= 2 and now - g.below_since >= _CALM):
        if g.below == 0:
            g.below_since = now
        g.revision += 1
        return ENDED
    if has_grown(p, g.told, g.peak):
        g.told = g.peak
        g.revision += 1
        return UPDATED
    return 0
