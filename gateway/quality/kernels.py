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
_STUCK_MS = 10 * 60_000  # ms: in that time every reading of a fine sensor differs from the one before
_STILL_MS = 24 * 3_600_000  # ms: so long may a coarse sensor repeat a value; in recordings clean air did for 12 hours
_LONGEST_GAP_MS = 3 * 3_600_000  # ms: after a longer gap nothing follows from the reading before it
_MULTIPLE_TOLERANCE = 1e-9  # share of a multiple that decimal fractions miss as binary ones
_HUMID_AIR_PERCENT = 85.0  # % RH from which the optical artefact is large (Crilley, AMT 11, 709)


@njit(nogil=True, cache=True)
def flag_rows(
    states: NDArray[np.void],
    limits: NDArray[np.float64],
    steps: NDArray[np.float64],
    slots: NDArray[np.int32],
    at: NDArray[np.int64],
    value: NDArray[np.float64],
    rh: NDArray[np.float64],
    late: NDArray[np.bool_],
    flags: NDArray[np.int32],
) -> None:
    """Add flags and update states, both in place.

    states (m,) STATE; limits (m, 4): lower, upper, largest rise (NaN: no limit), 1 if humidity matters;
    steps (m, k): as of `resolution.coarse_steps`; slots, at (ms), value, rh, late, flags: (n,).
    A value is "stuck" from the 30th equal one on, after ten minutes, or after a day if it may stand still. Late rows
    and values that do not count change no state.
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
        if at[i] - state.at > _LONGEST_GAP_MS:
            state.equal_count = 0
        if state.equal_count > 0 and abs(x - state.value) > limit[2]:
            new_flags |= _JUMP
        if limit[3] > 0 and rh[i] > _HUMID_AIR_PERCENT:
            new_flags |= _HUMIDITY
        if state.equal_count > 0 and x == state.value:
            state.equal_count += 1
            equal_ms = at[i] - state.equal_since
            is_still = state.equal_count >= _STUCK_READINGS and equal_ms >= _STUCK_MS
            if is_still and (equal_ms >= _STILL_MS or not may_stand_still(x, limit, steps[slot])):
                new_flags |= _STUCK
        else:
            state.equal_count = 1
            state.equal_since = at[i]
        state.value = x
        state.at = at[i]
        flags[i] |= new_flags


@njit(nogil=True, cache=True)
def may_stand_still(x: float, limit: NDArray[np.float64], steps: NDArray[np.float64]) -> bool:
    """Whether a working sensor may repeat this value for hours: an end of the range, or a multiple of a coarse step.

    limit (4,), steps (k,): the rows of `flag_rows`. A step of 0 fits every value, NaN fits none.
    """
    if x in (limit[0], limit[1]):
        return True
    for step in steps:
        if step == 0.0:
            return True
        multiple = x / step
        if abs(multiple - np.rint(multiple)) <= _MULTIPLE_TOLERANCE * max(1.0, abs(multiple)):
            return True
    return False
