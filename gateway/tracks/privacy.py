"""Hide where a resident's ride begins and ends. Pure.

The distance differs per track, from 200 to 300 m: the ends of many tracks then lie on no circle around a home.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

from gateway.tracks.positions import Positions, measure_distance

_HIDDEN_METRES = 200.0
_SPREAD_METRES = 100.0


def find_public(positions: Positions, station: str) -> NDArray[np.bool_]:
    """Return (n,): which positions of a resident's track anyone may read. All are hidden if it stays close to an end.

    A position is hidden within 200 to 300 m of the first and of the last position, also if the ride returns there.
    """
    if not len(positions):
        return np.zeros(0, np.bool_)
    metres = _choose_distance(f"{station}\n{positions.times[0]}")
    from_start = measure_distance(positions[:1], positions)
    from_end = measure_distance(positions[-1:], positions)
    is_public: NDArray[np.bool_] = (from_start >= metres) & (from_end >= metres)
    return is_public


def _choose_distance(seed: str) -> float:
    share = hashlib.sha256(seed.encode()).digest()[0] / 255
    return _HIDDEN_METRES + share * _SPREAD_METRES
