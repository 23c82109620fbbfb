"""The detector's kernel: background, noise and evidence of each datastream, reading by reading, O(1) each.

For a reading x after a gap d (minutes, capped), with background b, variance v and evidence C:

    network     c = median of what fresh neighbours are above their own backgrounds, M = 0.7413 times the spread of the
                middle half of the same; from four neighbours on, without the station itself in groups of up to nine
    noise       s = sqrt(v + (noise_absolute + noise_relative |b|)^2),  S = sqrt(s^2 + (spread M)^2)
    excess      e = x - b - share beta max(0, c),  z = e/S;  beta in [0.3, 2] learns how strongly this station follows
    evidence    C <- clip(C + w (min(z, clip) - drift), 0, 4 threshold),  w = min(1, gap / unit),
                with a shorter unit where z is beyond doubt
    open        C > threshold and e > smallest, after the warm-up; the onset is the last time C was 0
    close       e below 0.3 of the peak's, or in the noise, for two readings and `close_seconds`; or after 2 hours
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
        ("residual", np.float64),  # last reading above its background
        ("gain", np.float64),  # beta; 0: not begun
        ("common", np.float64),  # the group as this datastream's last reading saw it: see GROUP
        ("spread", np.float64),
        ("turn", np.int64),
        ("due", np.int64),
    ]
)

# What a group of neighbours (one property, one area) has in common. Large groups look anew only every
# few turns; each reading notes the group in its own state, so that a restart finds it again.
GROUP = np.dtype([("common", np.float64), ("spread", np.float64), ("turn", np.int64), ("due", np.int64)])

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
        ("sure", np.float64),
        ("sure_seconds", np.float64),
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
_EVERY = 16  # a large group looks anew after a sixteenth of its members have spoken
_LOW = 0.3
_WORSE = 1.3  # an update is told when the excess has grown by this factor


@njit(nogil=True, cache=True)
def look_around(
    states: NDArray[np.void], members: NDArray[np.int32], alone: int, now: int, scratch: NDArray[np.float64]
) -> tuple[float, float]:
    """(c, M) of the fresh members but `alone` (-1: of all); zeros where they are fewer than four."""
    n = 0
    for j in members:
        if j != alone and states[j].count > _WARM_UP and abs(now - states[j].at) <= _FRESH:
            scratch[n] = states[j].residual
            n += 1
    if n < _NEIGHBOURS:
        return 0.0, 0.0
    quarters = np.quantile(scratch[:n], np.array([0.25, 0.5, 0.75]))
    return quarters[1], 0.7413 * (quarters[2] - quarters[0])


@njit(nogil=True, cache=True)
def detect_rows(
    states: NDArray[np.void],
    parameters: NDArray[np.void],
    groups: NDArray[np.void],
    group_of: NDArray[np.int32],
    members: NDArray[np.int32],
    begins: NDArray[np.int64],
    slots: NDArray[np.int32],
    at: NDArray[np.int64],
    value: NDArray[np.float64],
    changes: NDArray[np.void],
) -> int:
    """Move the states on in place, write what happened into `changes`, return how many changes there were.

    states (m,) STATE, parameters (m,) PARAMETERS; groups (k,) GROUP, group_of (m,), and the members of group g at
    members[begins[g]:begins[g + 1]]; slots, at (ms), value: (n,); changes (n,) CHANGE. Readings that are not finite,
    or not newer than the last one of their datastream, teach nothing.
    """
    n = 0
    scratch = np.empty(len(members))
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
        g = groups[group_of[slots[i]]]
        mine = members[begins[group_of[slots[i]]] : begins[group_of[slots[i]] + 1]]
        g.turn += 1
        if len(mine) <= _SMALL:
            g.common, g.spread = look_around(states, mine, slots[i], at[i], scratch)
        elif g.turn >= g.due:
            g.common, g.spread = look_around(states, mine, -1, at[i], scratch)
            g.due = g.turn + len(mine) // _EVERY
        s.common = g.common
        s.spread = g.spread
        s.turn = g.turn
        s.due = g.due
        floor = p.noise_absolute + p.noise_relative * abs(s.background)
        own = math.sqrt(s.variance + floor * floor)
        noise = math.sqrt(own * own + (p.spread * g.spread) ** 2)
        if s.gain == 0.0:
            s.gain = 1.0
        s.residual = x - s.background
        if g.common > 2 * own and g.common > p.smallest:
            s.gain += 0.02 * (min(max(s.residual / g.common, 0.3), 2.0) - s.gain)
        level = s.background + p.share * s.gain * max(0.0, g.common)
        excess = x - level
        z = excess / noise
        weight = min(1.0, gap * 60 / (p.sure_seconds if z >= p.sure else p.unit_seconds))
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
            s.zero = at[i]
        learned = max((at[i] - s.first) / 60_000, gap)
        slower = p.freeze if s.revision > 0 else 1.0
        clipped = min(max((x - s.background) / own, -_WINSOR), _WINSOR)
        s.background += slower * -math.expm1(-gap / min(p.background_minutes, learned)) * own * clipped
        taken = slower * -math.expm1(-gap / min(p.noise_minutes, learned))
        s.variance += taken * ((own * clipped) ** 2 - s.variance)
    return n
