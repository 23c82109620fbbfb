"""Kernel of the flagger: flags values one after the other, in the order of arrival. Pure."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from edge_agent.wire import Flag
from gateway.model.validity import EXCLUDED_MASK

STATE = np.dtype([("value", np.float64), ("at", np.int64), ("equal_since", np.int64), ("equal_count", np.int64)])

_OUT_OF_RANGE = int(Flag.OUT_OF_RANGE)
_STUCK = int(Flag.STUCK)
_JUMP = int(Flag.JUMP)
_HUMIDITY = int(Flag.HUMIDITY)

_STUCK_READINGS = 30
_STUCK_MS = 600_000
_HUMID_AIR_PERCENT = 85.0  # % RH from which the optical artefact is large (Crilley, AMT 11, 709)


@njit(nogil=True, cache=True)
def flag_rows(
    states: NDArray[np.void],
    limits: NDArray[np.float64],
    slots: NDArray[np.int32],
    at: NDArray[np.int64],
    value: NDArray[np.float64],
    rh: NDArray[np.float64],
    late: NDArray[np.bool_],
    flags: NDArray[np.int32],
) -> None:
    """Add flags and update states, both in place.

    states (m,) STATE; limits (m, 4): lower, upper, largest rise (NaN: no limit), 1 if humidity matters;
    slots, at (ms), value, rh, late, flags: (n,). A value is "stuck" from the 30th equal one that spans ten minutes.
    Late rows and values that do not count change no state.
    """
    for i in range(len(value)):
        x = value[i]
        if np.isnan(x):
            continue
        slot = slots[i]
        limit = limits[slot]
        new_flags = _OUT_OF_RANGE if x < limit[0] or x > limit[1] else 0
        if late[i] or (flags[i] | new_flags) & EXCLUDED_MASK:  # no history for the next value
            flags[i] |= new_flags
            continue
        state = states[slot]
        if state.equal_count > 0 and abs(x - state.value) > limit[2]:
            new_flags |= _JUMP
        if limit[3] > 0 and rh[i] > _HUMID_AIR_PERCENT:
            new_flags |= _HUMIDITY
        if state.equal_count > 0 and x == state.value:
            state.equal_count += 1
            if state.equal_count >= _STUCK_READINGS and at[i] - state.equal_since >= _STUCK_MS:
                new_flags |= _STUCK
        else:
            state.equal_count = 1
            state.equal_since = at[i]
        state.value = x
        state.at = at[i]
        flags[i] |= new_flags
