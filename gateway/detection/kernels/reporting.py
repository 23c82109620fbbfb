"""A change written down, with the neighbours that rose too."""

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gateway.detection.kernels.learning import WARM_UP
from gateway.detection.kernels.surveying import FRESH
from gateway.detection.layout import WHO, Memory, Places


@njit(nogil=True, cache=True, error_model="numpy")
def tell(
    changes: NDArray[np.void],
    n: int,
    row: int,
    what: int,
    kind: int,
    slot: int,
    memory: Memory,
    places: Places,
    p: Any,
    asking: bool,
) -> int:
    """Write change n, return how many there are now; `asking` the neighbours, or not."""
    change = changes[n]
    number = places.group_of[slot]
    change.row = row
    change.change = what
    change.kind = kind
    change.slot = slot
    change.stream = memory.streams[slot]
    change.event = memory.events[slot]
    change.group = memory.groups[number]
    me, mine = memory.streams[slot], memory.events[slot]
    change.fresh = 0
    change.risen = 0
    if not asking:
        return n + 1
    fresh = 0
    risen = 0
    for place in range(places.begins[number], places.begins[number + 1]):
        j = places.members[place]
        s, e = memory.streams[j], memory.events[j]
        if j == slot or s.count <= WARM_UP or abs(me.at - s.at) > FRESH:
            continue
        fresh += 1
        floor = p.noise_absolute + p.noise_relative * abs(s.background)
        lately = me.revision > 0 and e.peak_at > 0 and e.peak_at >= mine.onset - FRESH
        stands_out = s.residual > p.smallest and s.residual > 3 * math.sqrt(s.variance + floor * floor)
        if lately or s.revision > 0 or stands_out:
            if risen < WHO:
                change.who[risen] = j
            risen += 1
    change.fresh = fresh
    change.risen = risen
    return n + 1
