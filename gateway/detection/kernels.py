"""The detector's kernel: background, noise and evidence of each datastream, reading by reading."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

STATE = np.dtype(
    [
        ("background", np.float64),
        ("variance", np.float64),
        ("evidence", np.float64),
        ("at", np.int64),  # ms
        ("count", np.int64),
        ("began", np.int64),  # when the evidence last was 0, ms
        ("onset", np.int64),  # of the open event, ms
        ("detected", np.int64),
        ("peak_at", np.int64),
        ("peak", np.float64),
        ("peak_background", np.float64),
        ("told", np.float64),  # the peak as last told
        ("revision", np.int64),  # 0: no event is open
        ("below", np.int64),
    ]
)

PARAMETERS = (
    "background_minutes noise_minutes drift threshold clip noise_absolute noise_relative smallest polarity".split()
)

CHANGE = np.dtype([("row", np.int64), ("change", np.int64), ("state", STATE), ("noise", np.float64)])
OPENED, UPDATED, ENDED = 1, 2, 3

_WARM_UP = 24
_LONGEST = 120 * 60_000
_GAP = 30.0


@njit(nogil=True, cache=True)
def detect_rows(states, parameters, slots, at, value, changes):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Move the states on, write what happened into `changes`, return how many.

    states (m,) STATE; parameters (m, 9), NaN in the first where the property is not detected on; changes (2n,) CHANGE.
    """
    n = 0
    for i in range(len(value)):
        slot = slots[i]
        p = parameters[slot]
        x = value[i]
        if np.isnan(p[0]) or not np.isfinite(x):
            continue
        x *= p[8]
        s = states[slot]
        if s.count == 0:
            s.background = x
            s.variance = p[5] * p[5]
            s.at = at[i]
            s.began = at[i]
            s.count = 1
            continue
        if at[i] <= s.at:
            continue
        gap = min((at[i] - s.at) / 60_000, _GAP)
        s.at = at[i]
        s.count += 1
        floor = p[5] + p[6] * abs(s.background)
        sigma = math.sqrt(s.variance + floor * floor)
        excess = x - s.background
        z = excess / sigma
        s.evidence = min(max(s.evidence + min(z, p[4]) - p[2], 0.0), 4 * p[3])
        if s.evidence == 0.0:
            s.began = at[i]
        if s.revision == 0:
            if s.count > _WARM_UP and s.evidence > p[3] and excess > p[7]:
                s.revision = 1
                s.onset = s.began
                s.detected = at[i]
                s.peak = x
                s.peak_at = at[i]
                s.peak_background = s.background
                s.told = excess
                s.below = 0
                changes[n].row, changes[n].change, changes[n].noise = i, 1, sigma
                changes[n].state = s
                n += 1
        else:
            if x - s.background > s.peak - s.peak_background:
                s.peak = x
                s.peak_at = at[i]
                s.peak_background = s.background
            low = excess < 0.3 * (s.peak - s.peak_background) or z < 1
            s.below = s.below + 1 if low else 0
            if s.below >= 2 or at[i] - s.onset > _LONGEST:
                s.revision += 1
                changes[n].row, changes[n].change, changes[n].noise = i, 3, sigma
                changes[n].state = s
                n += 1
                if at[i] - s.onset > _LONGEST:
                    s.background = x
                s.revision = 0
                s.evidence = 0.0
                s.began = at[i]
            elif s.peak - s.peak_background > 1.3 * s.told:
                s.revision += 1
                s.told = s.peak - s.peak_background
                changes[n].row, changes[n].change, changes[n].noise = i, 2, sigma
                changes[n].state = s
                n += 1
        freeze = 0.1 if s.revision > 0 else 1.0
        clipped = min(max(excess / sigma, -2.3), 2.3)
        s.background += freeze * (1 - math.exp(-gap / p[0])) * sigma * clipped
        s.variance += freeze * (1 - math.exp(-gap / p[1])) * ((sigma * clipped) ** 2 - s.variance)
    return n
