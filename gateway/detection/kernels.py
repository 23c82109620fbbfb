"""The detector's kernel: background, noise and evidence of each datastream, reading by reading, O(1) each.

For a reading x after a gap d (minutes, capped), with background b, variance v and evidence C:

    network     c = median of what fresh neighbours are above their own backgrounds, M = 0.7413 times the spread of the
                middle half of the same; from four neighbours on, without the station itself in groups of up to nine
    noise       s = sqrt(v + (noise_absolute + noise_relative |b|)^2),  S = sqrt(s^2 + (spread M)^2)
    excess      e = x - b - share beta max(0, c),  z = e/S;  beta in [0.3, 2] learns how strongly this station follows
    evidence    C <- clip(C + w (min(z, clip) - drift), 0, 4 threshold),  w = min(1, gap / unit),
                with a shorter unit where z is beyond doubt
    open        C > threshold and e > smallest, after the warm-up; the onset is the first reading since C was 0
    close       e below 0.3 of the peak's, or in the noise, for two readings and `close_seconds`; or after 2 hours
    background  b <- b + a s clip((x - b)/s, +-2.3), a = 1 - exp(-d / tau); slower while an event is open; v likewise

The evidence is a one-sided CUSUM (Page 1954) on standardised excess, counted per unit of time, so that
streams of 1 s and of 150 s behave alike; with clip - drift < threshold a single reading never opens an
event. In its first minutes a stream learns as fast as a running mean.

Only + - * / and sqrt are used, which IEEE 754 defines to the last bit: any machine finds the same events.
The exponential is its Pade approximation u / (1 + u/2 + u^2/12), within 3 % up to u = 3, where it is held.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gateway.detection.order import MOST, quarters

STATE = np.dtype(
    [
        ("at", np.int64),  # last reading, ms
        ("residual", np.float64),  # last reading above its background
        ("count", np.int64),
        ("background", np.float64),
        ("variance", np.float64),
        ("evidence", np.float64),
        ("gain", np.float64),  # beta; 0: not begun
        ("first", np.int64),  # first reading, ms
        ("rise", np.int64),  # first reading since the evidence was 0, ms
        ("revision", np.int64),  # 0: no event is open
        ("onset", np.int64),  # of the open event, ms; so are the following
        ("detected", np.int64),
        ("peak_at", np.int64),
        ("below_since", np.int64),  # 0: not below
        ("below", np.int64),  # readings
        ("peak", np.float64),
        ("peak_background", np.float64),
        ("peak_noise", np.float64),
        ("told", np.float64),  # excess as last told
    ]
)

# What a group of neighbours (one property, near each other) has in common. Large groups look anew only every few turns.
GROUP = np.dtype([("common", np.float64), ("spread", np.float64), ("turn", np.int64), ("due", np.int64)])

# One record a group, because a group is of one property.
PARAMETERS = np.dtype(
    [
        ("on", np.float64),  # 0: not detected on
        ("polarity", np.float64),  # -1 where the signal falls when pollution rises
        ("background_rate", np.float64),  # a minute
        ("noise_rate", np.float64),  # a minute
        ("drift", np.float64),
        ("threshold", np.float64),
        ("clip", np.float64),
        ("unit_rate", np.float64),  # a minute
        ("sure", np.float64),
        ("sure_rate", np.float64),  # a minute
        ("noise_absolute", np.float64),
        ("noise_relative", np.float64),
        ("smallest", np.float64),
        ("freeze", np.float64),
        ("close_seconds", np.float64),
        ("share", np.float64),
        ("spread", np.float64),
    ]
)

CHANGE = np.dtype([("row", np.int64), ("change", np.int64), ("state", STATE)])
OPENED, UPDATED, ENDED = 1, 2, 3

_WARM_UP = 24  # readings
_LONGEST = 120 * 60_000  # ms: an event that lasts longer is the new background
_GAP = 30.0  # minutes: a longer gap teaches no more
_WINSOR = 2.3
_FRESH = 15 * 60_000  # ms: an older reading says nothing of now
_NEIGHBOURS = 4
_SMALL = 9  # members up to which a group leaves the station itself out
_LARGE = 24  # members from which a group looks anew only when a third of them have spoken
_LOW = 0.3
_WORSE = 1.3  # an update is told when the excess has grown by this factor


@njit(nogil=True, cache=True)
def look_around(
    states: NDArray[np.void], members: NDArray[np.int32], alone: int, now: int, turn: int, scratch: NDArray[np.float64]
) -> tuple[float, float]:
    """(c, M) of the fresh members but `alone` (-1: of all); zeros where they are fewer than four.

    Of more than 32 members every k-th is asked, beginning with another one each time.
    """
    n = 0
    step = (len(members) + MOST - 1) // MOST
    for place in range(turn % step, len(members), step):
        j = members[place]
        s = states[j]
        if j != alone and s.count > _WARM_UP and abs(now - s.at) <= _FRESH:
            scratch[n] = s.residual
            n += 1
    if n < _NEIGHBOURS:
        return 0.0, 0.0
    low, middle, high = quarters(scratch, n)
    return middle, 0.7413 * (high - low)


@njit(nogil=True, cache=True)
def approach(u: float, v: float) -> tuple[float, float]:
    """1 - exp(-u) and 1 - exp(-v) for u, v >= 0, with one division for both: see above."""
    u, v = min(u, 3.0), min(v, 3.0)
    below_u = 1.0 + u * (0.5 + u * (1 / 12))
    below_v = 1.0 + v * (0.5 + v * (1 / 12))
    both = 1.0 / (below_u * below_v)
    return u * below_v * both, v * below_u * both


@njit(nogil=True, cache=True)
def detect_rows(
    states: NDArray[np.void],
    groups: NDArray[np.void],
    parameters: NDArray[np.void],
    group_of: NDArray[np.int32],
    members: NDArray[np.int32],
    begins: NDArray[np.int64],
    slots: NDArray[np.int32],
    at: NDArray[np.int64],
    value: NDArray[np.float64],
    changes: NDArray[np.void],
) -> int:
    """Move the states on in place, write what happened into `changes`, return how many changes there were.

    states (m,) STATE; groups (k,) GROUP, parameters (k,) PARAMETERS, group_of (m,), and the members of group g at
    members[begins[g]:begins[g + 1]]; slots, at (ms), value: (n,); changes (n,) CHANGE. Readings that are not finite,
    or not newer than the last one of their datastream, teach nothing.
    """
    n = 0
    scratch = np.empty(MOST)
    for i in range(len(value)):
        slot = slots[i]
        number = group_of[slot]
        p = parameters[number]
        s = states[slot]
        x = value[i] * p.polarity
        if p.on == 0.0 or not np.isfinite(x):
            continue
        if s.count == 0:
            s.background = x
            s.variance = p.noise_absolute * p.noise_absolute
            s.first = at[i]
            s.at = at[i]
            s.gain = 1.0
            s.count = 1
            continue
        if at[i] <= s.at:
            continue
        gap = min((at[i] - s.at) * (1 / 60_000), _GAP)
        s.at = at[i]
        s.count += 1
        g = groups[number]
        size = begins[number + 1] - begins[number]
        if size > _NEIGHBOURS:
            g.turn += 1
            mine = members[begins[number] : begins[number + 1]]
            if size <= _SMALL:
                g.common, g.spread = look_around(states, mine, slot, at[i], 0, scratch)
            elif g.turn >= g.due:
                g.common, g.spread = look_around(states, mine, -1, at[i], g.turn, scratch)
                g.due = g.turn + (1 if size < _LARGE else size // 3)
        floor = p.noise_absolute + p.noise_relative * abs(s.background)
        own = math.sqrt(s.variance + floor * floor)
        s.residual = x - s.background
        level = s.background
        noise = own
        if g.spread > 0.0:
            noise = math.sqrt(own * own + (p.spread * g.spread) ** 2)
        if g.common > 2 * own and g.common > p.smallest:
            s.gain += 0.02 * (min(max(s.residual / g.common, 0.3), 2.0) - s.gain)
        level += p.share * s.gain * max(g.common, 0.0)
        excess = x - level
        z = excess / noise
        weight = min(1.0, gap * (p.sure_rate if z >= p.sure else p.unit_rate))
        before = s.evidence
        s.evidence = min(max(before + weight * (min(z, p.clip) - p.drift), 0.0), 4 * p.threshold)
        s.rise = at[i] if before == 0.0 else s.rise
        change = 0
        if s.revision == 0:
            if s.evidence > p.threshold and excess > p.smallest and s.count > _WARM_UP:
                change = OPENED
                s.onset = s.rise
                s.detected = at[i]
                s.told = excess
                s.below = 0
                s.peak = x
                s.peak_at = at[i]
                s.peak_background = level
                s.peak_noise = noise
        else:
            if excess > s.peak - s.peak_background:
                s.peak = x
                s.peak_at = at[i]
                s.peak_background = level
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
        known = max((at[i] - s.first) * (1 / 60_000), gap)
        learning = 0.0 if known * p.noise_rate > 1 and known * p.background_rate > 1 else 1 / known
        slower = p.freeze if s.revision > 0 else 1.0
        limit = _WINSOR * own
        clipped = min(max(x - s.background, -limit), limit)
        towards, taken = approach(gap * max(p.background_rate, learning), gap * max(p.noise_rate, learning))
        s.background += slower * towards * clipped
        s.variance += slower * taken * (clipped * clipped - s.variance)
    return n
