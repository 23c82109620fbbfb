"""What the neighbours of a datastream have in common at this moment."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gateway.detection.kernels.baseline import WARM_UP
from gateway.detection.kernels.quartiles import MOST, quarters
from gateway.detection.records import Memory, Places

FRESH = 15 * 60_000  # ms: an older reading says nothing of now
FEW = 4  # neighbours from which on there are quartiles
SMALL = 9  # members up to which a group leaves the station itself out
_SEVERAL = 2
_LARGE = 24  # members from which a group looks anew only when a third of them have spoken


@njit(nogil=True, cache=True, error_model="numpy", forceinline=True)
def look_around(
    g: Any,
    streams: NDArray[np.void],
    members: NDArray[np.int32],
    begin: int,
    size: int,
    alone: int,
    now: int,
    lift: float,
    scratch: NDArray[np.float64],
) -> int:
    """Write (c, M) of the fresh ones of `size` members into the group, return how many are fresh.

    members[begin : begin + size] are asked but for `alone` (-1: all of them); zeros where fewer than two are fresh. Of
    more than 32 every k-th is asked, beginning with another one each time.
    """
    n = 0
    step = (size + MOST - 1) // MOST
    for place in range(begin + (g.turn % step if step > 1 else 0), begin + size, step):
        j = members[np.uint64(place)]
        s = streams[np.uint64(j)]
        scratch[np.uint64(n)] = s.residual
        n += 1 if j != alone and s.count > WARM_UP and abs(now - s.at) <= FRESH else 0
    g.due = g.turn + (1 if size < _LARGE else size // 3)
    g.spread = 0.0
    g.common = 0.0
    if n >= FEW:
        low, middle, high = quarters(scratch, n)
        g.common = middle + lift * (high - middle)
        g.spread = 0.7413 * (high - low)
    elif n >= 2:
        low = scratch[0]
        for k in range(1, n):
            low = min(low, scratch[k])
        g.common = low
    return n


@njit(nogil=True, cache=True, error_model="numpy")
def worth_telling(memory: Memory, places: Places, p: Any, slot: int, now: int) -> float:
    """From which excess on a peak is told: more where at least two neighbours rise, or did so a while ago.

    A plume is narrow. What comes over several stations, one after the other and from all sides, is what hangs in still
    air, and no station's own.
    """
    number = places.group_of[slot]
    n = 0
    for place in range(places.begins[number], places.begins[number + 1]):
        j = places.members[place]
        s, e = memory.streams[j], memory.events[j]
        if j != slot and abs(now - s.at) <= FRESH:
            lately = e.peak_at > 0 and abs(now - e.peak_at) <= FRESH
            n += 1 if lately or s.revision > 0 or (s.residual > p.smallest and s.evidence > 0.0) else 0
    return float(p.smallest_among if n >= _SEVERAL else p.smallest)
