"""Records of changes, with the neighbours that rose too."""

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gateway.detection.kernels.baseline import WARM_UP_READINGS
from gateway.detection.kernels.common_mode import MAX_AGE_MS
from gateway.detection.records import MAX_RISEN_SLOTS, REGIONAL, StateArrays, Topology


@njit(nogil=True, cache=True, error_model="numpy")
def write_change(change: Any, row: int, change_code: int, kind: int, slot: int, s: Any, e: Any, g: Any) -> None:
    """Write a change of the datastream of a slot: s STREAM, e EVENT, g GROUP. Neighbours are added later."""
    change.row = row
    change.change_code = change_code
    change.kind = kind
    change.slot = slot
    change.stream = s
    change.event = e
    change.group = g
    change.fresh_neighbours = 0
    change.risen_neighbours = 0


@njit(nogil=True, cache=True, error_model="numpy")
def add_risen_neighbours(
    changes: NDArray[np.void],
    begin: int,
    end: int,
    state: StateArrays,
    topology: Topology,
    p: Any,
) -> None:
    """Add to changes[begin:end] the neighbours that rose too; outliers need none."""
    for i in range(begin, end):
        change = changes[i]
        if change.kind != REGIONAL and change.stream.revision == 0:
            continue
        group = topology.group_of[change.slot]
        for position in range(topology.offsets[group], topology.offsets[group + 1]):
            j = topology.members[position]
            s, e = state.streams[j], state.events[j]
            if j == change.slot or s.count <= WARM_UP_READINGS or abs(change.stream.at - s.at) > MAX_AGE_MS:
                continue
            change.fresh_neighbours += 1
            noise_floor = p.noise_absolute + p.noise_relative * abs(s.background)
            peaked_recently = (
                change.stream.revision > 0 and e.peak_at > 0 and e.peak_at >= change.event.onset - MAX_AGE_MS
            )
            stands_out = s.residual > p.smallest and s.residual > 3 * math.sqrt(s.variance + noise_floor * noise_floor)
            if peaked_recently or s.revision > 0 or stands_out:
                if change.risen_neighbours < MAX_RISEN_SLOTS:
                    change.risen_slots[change.risen_neighbours] = j
                change.risen_neighbours += 1
