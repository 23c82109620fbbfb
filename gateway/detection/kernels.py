"""The detector's kernel: background, noise and evidence of each datastream, reading by reading, O(1) each.

For a reading x after a gap d (minutes, capped), with background b, variance v and evidence C:

    noise       s = sqrt(v + (noise_absolute + noise_relative |b|)^2)
    evidence    C <- clip(C + w (min((x - b)/s, clip) - drift), 0, 4 threshold),  w = min(1, gap / unit)
    open        C > threshold and x - b > smallest, after the warm-up; the onset is the last time C was 0
    close       below 0.3 of the peak's excess, or in the noise, for two readings and `close_seconds`; or after 2 hours
    background  b <- b + a s clip((x - b)/s, +-2.3), a = 1 - exp(-d / tau); slower while an event is open; v likewise

The evidence is a one-sided CUSUM (Page 1954) on standardised excess, counted per unit of time, so that
streams of 1 s and of 150 s behave alike; with clip - drift < threshold a single reading never opens an
event. In its first minutes a stream learns as fast as a running mean.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

STATE = np.dtype(
    [
        ("background", np.float64),
        ("variance", np.float64),
        ("evidence", np.float64),
        ("first", np.int64),  # first reading, ms
        ("at", np.int64),  # last reading, ms
        ("count", np.int64),
        ("zero", np.int64),  # when the evidence last was 0, ms
        ("onset", np.int64),  # of the open event, ms; so are the following
        ("detected", np.int64),
        ("peak_at", np.int64),
        ("below_since", np.int64),  # 0: not below
        ("below", np.int64),  # readings
        ("revision", np.int64),  # 0: no event is open
        ("peak", np.float64),
        ("peak_background", np.float64),
        ("peak_noise", np.float64),
        ("told", np.float64),  # excess as last told
    ]
)

PARAMETERS = np.dtype(
    [
        ("on", np.bool_),
        ("polarity", np.float64),  # -1 where the signal falls when pollution rises
        ("background_minutes", np.float64),
        ("noise_minutes", np.float64),
        ("drift", np.float64),
        ("threshold", np.float64),
        ("clip", np.float64),
        ("unit_seconds", np.float64),
        ("noise_absolute", np.float64),
        ("noise_relative", np.float64),
        ("smallest", np.float64),
        ("freeze", np.float64),
        ("close_seconds", np.float64),
    ]
)

CHANGE = np.dtype([("row", np.int64), ("change", np.int64), ("state", STATE)])
OPENED, UPDATED, ENDED = 1, 2, 3

_WARM_UP = 24  # readings
_LONGEST = 120 * 60_000  # ms: an event that lasts longer is the new background
_GAP = 30.0  # minutes: a longer gap teaches no more
_WINSOR = 2.3
_LOW = 0.3
_WORSE = 1.3  # an update is told when the excess has grown by this factor


@njit(nogil=True, cache=True)
def detect_rows(
    states: NDArray[np.void],
    parameters: NDArray[np.void],
    slots: NDArray[np.int32],
    at: NDArray[np.int64],
    value: NDArray[np.float64],
    changes: NDArray[np.void],
) -> int:
    """Move the states on in place, write what happened into `changes`, return how many changes there were.

    states (m,) STATE, parameters (m,) PARAMETERS; slots, at (ms), value: (n,); changes (n,) CHANGE. Readings that are
    not finite, or not newer than the last one of their datastream, teach nothing.
    """
    n = 0
    for i in range(len(value)):
        p = parameters[slots[i]]
        s = states[slots[i]]
        x = value[i] * p.polarity
        if not p.on or not np.isfinite(x):
            continue
        if s.count == 0:
            s.background = x
            s.variance = p.noise_absolute * p.noise_absolute
            s.first = at[i]
            s.at = at[i]
            s.zero = at[i]
            s.count = 1
            continue
        if at[i] <= s.at:
            continue
        gap = min((at[i] - s.at) / 60_000, _GAP)
        s.at = at[i]
        s.count += 1
        floor = p.noise_absolute + p.noise_relative * abs(s.background)
        noise = math.sqrt(s.variance + floor * floor)
        excess = x - s.background
        z = excess / noise
        weight = min(1.0, gap * 60 / p.unit_seconds)
        s.evidence = min(max(s.evidence + weight * (min(z, p.clip) - p.drift), 0.0), 4 * p.threshold)
        if s.evidence == 0.0:
            s.zero = at[i]
        change = 0
        if s.revision == 0:
            if s.count > _WARM_UP and s.evidence > p.threshold and excess > p.smallest:
                change = OPENED
                s.onset = s.zero
                s.detected = at[i]
                s.told = excess
                s.below = 0
                s.peak = x
                s.peak_at = at[i]
                s.peak_background = s.background
                s.peak_noise = noise
        else:
            if excess > s.peak - s.peak_background:
                s.peak = x
                s.peak_at = at[i]
                s.peak_background = s.background
                s.peak_noise = noise
            if excess < _LOW * (s.peak - s.peak_background) or z < 1:
                if s.below == 0:
                    s.below_since = at[i]
                s.below += 1
            else:
                s.below = 0
            too_long = at[i] - s.onset > _LONGEST
            if too_long or (s.below >= 2 and at[i] - s.below_since >= 1_000 * p.close_seconds):
                change = ENDED
                if too_long and s.below == 0:
                    s.below_since = at[i]
            elif s.peak - s.peak_background > _WORSE * s.told:
                change = UPDATED
                s.told = s.peak - s.peak_background
        if change:
            s.revision += 1
            changes[n].row = i
            changes[n].change = change
            changes[n].state = s
            n += 1
        if change == ENDED:
            if s.at - s.onset > _LONGEST:
                s.background = x
            s.revision = 0
            s.evidence = 0.0
            s.zero = at[i]
        learned = max((at[i] - s.first) / 60_000, gap)
        slower = p.freeze if s.revision > 0 else 1.0
        clipped = min(max((x - s.background) / noise, -_WINSOR), _WINSOR)
        s.background += slower * -math.expm1(-gap / min(p.background_minutes, learned)) * noise * clipped
        taken = slower * -math.expm1(-gap / min(p.noise_minutes, learned))
        s.variance += taken * ((noise * clipped) ** 2 - s.variance)
    return n
