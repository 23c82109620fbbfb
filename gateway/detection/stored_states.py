"""Stored states of datastreams as records, and the choice of some of them. Pure.

A group of neighbours names the datastream whose reading opened its episode by its slot, and slots differ between
processes. The functions here write that slot anew: as a place among the chosen datastreams.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from gateway.detection.records import EVENT, GROUP, STREAM, WIND

STATE = np.dtype([("stream", STREAM), ("event", EVENT), ("group", GROUP), ("wind", WIND)])
"""State of one datastream as `Detector.dump` writes it."""


def choose_states(detection: bytes, ids: Sequence[int], chosen: Sequence[int]) -> bytes:
    """Return the states of the detector of the chosen datastreams, in their order. `ids`: those of `detection`.

    Raises ValueError for bytes that are no states of these datastreams.
    """
    places = {id_: place for place, id_ in enumerate(chosen)}
    return _renumber(detection, ids, places)[_find(ids, chosen)].tobytes()


def choose_parts(states: bytes, ids: Sequence[int], chosen: Sequence[int]) -> bytes:
    """Return the states of equal size, such as those of flagging, of the chosen datastreams, in their order."""
    width, rest = divmod(len(states), max(1, len(ids)))
    if rest:
        raise ValueError(f"{len(states)} bytes are no states of {len(ids)} datastreams")
    return b"".join(states[place * width : (place + 1) * width] for place in _find(ids, chosen))


def place_states(detection: bytes, ids: Sequence[int], slots: Mapping[int, int]) -> dict[int, bytes]:
    """Return slot -> state of the detector, for datastreams with a slot. Raises ValueError as `choose_states`."""
    states = _renumber(detection, ids, slots)
    return {slots[id_]: states[place].tobytes() for place, id_ in enumerate(ids) if id_ in slots}


def _renumber(detection: bytes, ids: Sequence[int], numbers: Mapping[int, int]) -> NDArray[np.void]:
    """Records whose groups name datastreams by these numbers instead of by places in `ids`; 0 for one without."""
    if len(detection) != len(ids) * STATE.itemsize or len(set(ids)) != len(ids):
        raise ValueError(f"{len(detection)} bytes are no states of {len(ids)} datastreams")
    states = np.frombuffer(detection, STATE).copy()
    slots = states["group"]["slot"]
    if len(slots) and not 0 <= slots.min() <= slots.max() < len(ids):
        raise ValueError("a group names a datastream that the states do not have")
    table = np.array([numbers.get(id_, 0) for id_ in ids], np.int64)
    states["group"]["slot"] = table[slots] if len(slots) else slots
    return states


def _find(ids: Sequence[int], chosen: Sequence[int]) -> list[int]:
    places = {id_: place for place, id_ in enumerate(ids)}
    return [places[id_] for id_ in chosen]
