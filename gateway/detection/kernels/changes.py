"""A change written down, with the neighbours that rose too."""

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gateway.detection.kernels.baseline import WARM_UP
from gateway.detection.kernels.common_mode import FRESH
from gateway.detection.records import REGIONAL, WHO, Memory, Places


@njit(nogil=True, cache=True, error_model="numpy")
def tell(change: Any, row: int, what: int, kind: int, slot: int, s: Any, e: Any, g: Any) -> None:
    """Write down what happened to the datastream of a slot: s STREAM, e EVENT, g GROUP. Neighbours are named after."""
    change.row = row
    change.change = what
    change.kind = kind
    change.slot = slot
    change.stream = s
    change.event = e
    change.group = g
    change.fresh = 0
    change.risen = 0


@njit(nogil=True, cache=True, error_model="numpy")
def name_neighbours(
    changes: NDArray[np.void],
    begin: int,
    end: int,
    memory: Memory,
    places: Places,
    p: Any,
) -> None:
    """Say of changes[begin:end] which neighbours rose too; of what is odd nobody asks that."""
    for n in range(begin, end):
        change = changes[n]
        if change.kind != REGIONAL and change.stream.revision == 0:
            continue
        number = places.group_of[change.slot]
        for place in range(places.begins[number], places.begins[number + 1]):
            j = places.members[place]
            s, e = memory.streams[j], memory.events[j]
            if j == change.slot or s.count <= WARM_UP or abs(change.stream.at - s.at) > FRESH:
                continue
            change.fresh += 1
            floor = p.noise_absolute + p.noise_relative * abs(s.background)
            lately = change.stream.revision > 0 and e.peak_at > 0 and e.peak_at >= change.event.onset - FRESH
            stands_out = s.residual > p.smallest and s.residual > 3 * math.sqrt(s.variance + floor * floor)
            if lately or s.revision > 0 or stands_out:
                if change.risen < WHO:
                    change.who[change.risen] = j
                change.risen += 1
