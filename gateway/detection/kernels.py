"""The detector's kernel: background, noise and evidence of each datastream, reading by reading, O(1) each.

For a reading x after a gap d (minutes, capped), with background b, variance v and evidence C:

    network     c = median of what fresh neighbours are above their own backgrounds, plus `lift` times the way to the
                upper quartile; M = 0.7413 times the spread of the middle half; from four neighbours on, without the
                station itself in groups of up to nine. Of two or three neighbours the lowest counts, and M = 0.
    noise       s = sqrt(v + (noise_absolute + noise_relative |b|)^2),  S = sqrt(s^2 + (spread M)^2)
    excess      e = x - b - share beta max(0, c),  z = e/S;  beta in [0.3, 2] learns how strongly this station follows
    evidence    C <- clip(C + w (min(z, clip) - drift), 0, 4 threshold),  w = min(1, gap / unit),
                with a shorter unit where z is beyond doubt
    open        C > threshold and e > smallest, after the warm-up; the onset is the first reading since C was 0
    size        x - share beta max(0, c) above the background before the rise, which learnt part of it since
    close       e below 0.3 of the peak's, or in the noise, for two readings and `close_seconds`; or after 2 hours
    background  b <- b + a r clip(x - b, -fall_limit s, rise_limit s), a = 1 - exp(-d / tau); v likewise;
                r = 1 / (1 + hold C / threshold), `freeze` while an event is open

The evidence is a one-sided CUSUM (Page 1954) on standardised excess, counted per unit of time, so that
streams of 1 s and of 150 s behave alike; with clip - drift < threshold a single reading never opens an
event. In its first minutes a stream learns as fast as a running mean.

Only + - * / and sqrt are used, which IEEE 754 defines to the last bit: any machine finds the same events.
The exponential is its Pade approximation u / (1 + u/2 + u^2/12), within 3 % up to u = 3, where it is held.
"""

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from edge_agent.wire import Flag
from gateway.detection.layout import (
    ENDED,
    GLITCH,
    HUMIDITY,
    MERGED,
    OPENED,
    PEAK,
    REGIONAL,
    SENSOR,
    UPDATED,
    VOIDED,
    WHO,
)
from gateway.detection.order import MOST, quarters

# A value with one of these flags says nothing of the air. The raw value is stored all the same.
MEANINGLESS = int(Flag.WARM_UP | Flag.CLEANING | Flag.STALE | Flag.SENSOR_FAULT | Flag.OUT_OF_RANGE | Flag.MAINTENANCE)
_STUCK = int(Flag.STUCK)
_HUMID = int(Flag.HUMIDITY)

_WARM_UP = 24  # readings
_LONGEST = 120 * 60_000  # ms: an event that lasts longer is the new background
_EPISODE = 24 * 3_600_000  # ms: as long may what all have in common last
_GAP = 30.0  # minutes: a longer gap teaches no more
_FRESH = 15 * 60_000  # ms: an older reading says nothing of now
_NEIGHBOURS = 4
_SMALL = 9  # members up to which a group leaves the station itself out
_LARGE = 24  # members from which a group looks anew only when a third of them have spoken
_LOW = 0.3
_WORSE = 1.3  # an update is told when the excess has grown by this factor
_SWELLING = 2.0  # humid air makes particles look up to about this much heavier (Crilley, AMT 11, 709)
_ALONE = 3  # readings that a twin contradicts before an event is taken back
_BEFORE = 30 * 60_000  # ms: events that began so shortly before an episode were its beginning
_OWN = 0.5  # of what a station is above its background must be its own during an episode
_CALM = 300_000  # ms for which an episode must be over


@njit(nogil=True, cache=True)
def look_around(
    states: NDArray[np.void],
    members: NDArray[np.int32],
    alone: int,
    now: int,
    turn: int,
    lift: float,
    scratch: NDArray[np.float64],
) -> tuple[float, float, int]:
    """(c, M, n) of the n fresh members but `alone` (-1: of all); zeros where they are fewer than two.

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
    if n < 2:
        return 0.0, 0.0, n
    if n < _NEIGHBOURS:
        low = scratch[0]
        for k in range(1, n):
            low = min(low, scratch[k])
        return low, 0.0, n
    low, middle, high = quarters(scratch, n)
    return middle + lift * (high - middle), 0.7413 * (high - low), n


@njit(nogil=True, cache=True)
def approach(u: float, v: float) -> tuple[float, float]:
    """1 - exp(-u) and 1 - exp(-v) for u, v >= 0, with one division for both: see above."""
    u, v = min(u, 3.0), min(v, 3.0)
    below_u = 1.0 + u * (0.5 + u * (1 / 12))
    below_v = 1.0 + v * (0.5 + v * (1 / 12))
    both = 1.0 / (below_u * below_v)
    return u * below_v * both, v * below_u * both


@njit(nogil=True, cache=True)
def tell(
    change: Any,  # noqa: ANN401 - a numba record, as below
    row: int,
    what: int,
    kind: int,
    slot: int,
    states: NDArray[np.void],
    group: Any,  # noqa: ANN401
    members: NDArray[np.int32],
    p: Any,  # noqa: ANN401
) -> None:
    """Write a change, with the neighbours that rose too."""
    change.row = row
    change.change = what
    change.kind = kind
    change.slot = slot
    change.state = states[slot]
    change.group = group
    now = states[slot].at
    fresh = 0
    risen = 0
    for j in members:
        s = states[j]
        if j == slot or s.count <= _WARM_UP or abs(now - s.at) > _FRESH:
            continue
        fresh += 1
        floor = p.noise_absolute + p.noise_relative * abs(s.background)
        lately = states[slot].revision > 0 and s.peak_at > 0 and s.peak_at >= states[slot].onset - _FRESH
        if (
            lately
            or s.revision > 0
            or (s.residual > p.smallest and s.residual > 3 * math.sqrt(s.variance + floor * floor))
        ):
            if risen < WHO:
                change.who[risen] = j
            risen += 1
    change.fresh = fresh
    change.risen = risen


@njit(nogil=True, cache=True)
def follow_episode(g: Any, p: Any, common: float, level: float, own: float, slot: int, now: int) -> int:  # noqa: ANN401
    """Move a group's episode on by one look; returns what happened (0: nothing)."""
    gap = (now - g.at) * (1 / 60_000) if g.at > 0 else 0.0
    if gap <= 0.0:
        g.at = max(now, g.at)
        return 0
    g.at = now
    z = common / own
    if g.evidence == 0.0:
        g.rise = now
    change = min(1.0, gap * p.unit_rate) * (min(z, p.clip) - p.drift)
    g.evidence = min(max(g.evidence + change, 0.0), 4 * p.threshold)
    if g.revision == 0:
        if g.evidence <= p.threshold or common <= 2 * p.smallest:
            return 0
        g.onset = g.rise
        g.detected = now
        g.told = common
        g.below = 0
        g.slot = slot
        g.peak = 0.0
    if common > g.peak:
        g.peak = common
        g.peak_at = now
        g.peak_background = level
        g.peak_noise = own
    if g.revision == 0:
        g.revision = 1
        return OPENED
    if common < _LOW * g.peak or z < 1:
        if g.below == 0:
            g.below_since = now
        g.below += 1
    else:
        g.below = 0
    too_long = now - g.onset > _EPISODE
    if too_long or (g.below >= 2 and now - g.below_since >= _CALM):
        if g.below == 0:
            g.below_since = now
        g.revision += 1
        return ENDED
    if g.peak > _WORSE * g.told:
        g.told = g.peak
        g.revision += 1
        return UPDATED
    return 0


@njit(nogil=True, cache=True)
def note_odd(s: Any, at: int, x: float, level: float, noise: float, flags: int) -> None:  # noqa: ANN401
    """Remember a reading that stands out and may be no peak."""
    if s.odd_count == 0 or x - level > s.odd_peak - s.odd_level:
        s.odd_peak = x
        s.odd_level = level
        s.odd_noise = noise
    if s.odd_count == 0:
        s.odd_since = at
        s.odd_flags = 0
    s.odd_until = at
    s.odd_flags |= flags
    s.odd_count += 1


@njit(nogil=True, cache=True)
def detect_rows(
    states: NDArray[np.void],
    groups: NDArray[np.void],
    winds: NDArray[np.void],
    parameters: NDArray[np.void],
    property_of: NDArray[np.int32],
    group_of: NDArray[np.int32],
    members: NDArray[np.int32],
    begins: NDArray[np.int64],
    area_of: NDArray[np.int32],
    twin_of: NDArray[np.int32],
    slots: NDArray[np.int32],
    at: NDArray[np.int64],
    value: NDArray[np.float64],
    flags: NDArray[np.int32],
    wind: NDArray[np.float32],
    changes: NDArray[np.void],
) -> int:
    """Move the states on in place, write what happened into `changes`, return how many changes there were.

    states (m,) STATE; groups (k,) GROUP, parameters (properties,) PARAMETERS, property_of (k,), group_of (m,), and the
    members of group g at members[begins[g]:begins[g + 1]]; winds (areas,) WIND, area_of (k,); twin_of (m,): a
    collocated datastream of the same property, or -1; slots, at (ms), value, flags: (n,); wind (n, 3) east, north,
    speed, or (0, 3) where no row has any; changes (4 n + m,) CHANGE. Readings that are not finite, or not newer than
    the last one of their datastream, teach nothing.
    """
    n = 0
    scratch = np.empty(MOST)
    windy = len(wind) > 0
    for i in range(len(value)):
        slot = slots[i]
        number = group_of[slot]
        p = parameters[property_of[number]]
        s = states[slot]
        x = value[i] * p.polarity
        if windy and not np.isnan(wind[i, 0]):
            w = winds[area_of[number]]
            if at[i] >= w.at:
                part, _ = approach((at[i] - w.at) * (1 / 600_000), 0.0)
                part = 1.0 if at[i] - w.at > _FRESH else part
                w.east += part * (wind[i, 0] - w.east)
                w.north += part * (wind[i, 1] - w.north)
                w.speed += part * (wind[i, 2] - w.speed)
                w.at = at[i]
        if p.on == 0.0 or not np.isfinite(x):
            continue
        if s.count == 0:
            if flags[i] & MEANINGLESS == 0:
                s.background = x
                s.variance = p.noise_absolute * p.noise_absolute
                s.first = at[i]
                s.at = at[i]
                s.gain = 1.0
                s.count = 1
            continue
        if at[i] <= s.at:
            continue
        floor = p.noise_absolute + p.noise_relative * abs(s.background)
        own = math.sqrt(s.variance + floor * floor)
        if flags[i] & MEANINGLESS:
            if s.count > _WARM_UP and x - s.background > max(p.sure * own, p.smallest):
                note_odd(s, at[i], x, s.background, own, flags[i] & MEANINGLESS)
            continue
        gap = min((at[i] - s.at) * (1 / 60_000), _GAP)
        s.at = at[i]
        s.count += 1
        s.residual = x - s.background
        g = groups[number]
        size = begins[number + 1] - begins[number]
        share = p.share
        common = 0.0
        spread = 0.0
        if size > 2:
            g.turn += 1
            mine = members[begins[number] : begins[number + 1]]
            looked = False
            fresh = 0
            if size <= _SMALL:
                g.common, g.spread, fresh = look_around(states, mine, slot, at[i], 0, p.lift, scratch)
                looked = True
                if fresh < _NEIGHBOURS:
                    share = p.few_share
            elif g.turn >= g.due:
                g.common, g.spread, fresh = look_around(states, mine, -1, at[i], g.turn, p.lift, scratch)
                g.due = g.turn + (1 if size < _LARGE else size // 3)
                looked = True
            if looked and (g.common > own or g.evidence > 0.0 or g.revision > 0):
                seen = g.common if fresh >= _NEIGHBOURS else min(g.common, s.residual)
                what = follow_episode(g, p, seen, s.background, own, slot, at[i])
                if what:
                    tell(changes[n], i, what, REGIONAL, g.slot, states, g, mine, p)
                    n += 1
                if what == OPENED:
                    for j in mine:
                        q = states[j]
                        if q.revision == 0 or q.onset < g.onset - _BEFORE or q.kind != PEAK:
                            continue
                        if q.residual - share * q.gain * g.common < _OWN * q.residual:
                            q.revision += 1
                            tell(changes[n], i, MERGED, q.kind, j, states, g, mine, p)
                            n += 1
                            q.revision = 0
                            q.evidence = 0.0
                if what == ENDED:
                    g.revision = 0
                    g.evidence = 0.0
            elif looked:
                g.at = at[i]
            common = g.common
            spread = g.spread
        noise = own
        if spread > 0.0:
            noise = math.sqrt(own * own + (p.spread * spread) ** 2)
        if common > 2 * own and common > p.smallest:
            s.gain += 0.02 * (min(max(s.residual / common, 0.3), 2.0) - s.gain)
        level = s.background + share * s.gain * max(common, 0.0)
        excess = x - level
        z = excess / noise
        weight = min(1.0, gap * (p.sure_rate if z >= p.sure else p.unit_rate))
        before = s.evidence
        evidence = min(max(before + weight * (min(z, p.clip) - p.drift), 0.0), 4 * p.threshold)
        evidence = 0.0 if flags[i] & _STUCK else evidence
        s.evidence = evidence
        if s.odd_count > 0:
            back = excess < _LOW * (s.odd_peak - s.odd_level)
            if s.odd_flags != 0 or (back and s.revision == 0):
                tell(changes[n], i, ENDED, SENSOR if s.odd_flags != 0 else GLITCH, slot, states, g, members[:0], p)
                n += 1
            s.odd_count = 0
        if evidence > 0.0 or s.revision > 0:
            if before == 0.0 and s.revision == 0:
                s.rise = at[i]
                s.rise_background = s.background
                s.readings = 0
                s.humid = 0
                s.flags = 0
                s.agrees = 0
                s.disagrees = 0
                s.wind_east = 0
                s.wind_north = 0
                s.wind_speed = 0
                s.wind_readings = 0
                if z >= p.sure and excess > p.smallest and s.count > _WARM_UP:
                    note_odd(s, at[i], x, level, noise, 0)
            s.readings += 1
            s.flags |= flags[i]
            s.humid += 1 if flags[i] & _HUMID else 0
            j = twin_of[slot]
            if j >= 0:
                q = states[j]
                if q.count > _WARM_UP and q.at >= s.rise:
                    if q.residual > _LOW * s.residual:
                        s.agrees = min(s.agrees + 1, 9_999)
                    elif s.residual > p.smallest:
                        s.disagrees = min(s.disagrees + 1, 9_999)
            if windy and not np.isnan(wind[i, 0]):
                s.wind_east += wind[i, 0]
                s.wind_north += wind[i, 1]
                s.wind_speed += wind[i, 2]
                s.wind_readings += 1
            else:
                w = winds[area_of[number]]
                if w.at > 0 and abs(at[i] - w.at) <= _FRESH:
                    s.wind_east += w.east
                    s.wind_north += w.north
                    s.wind_speed += w.speed
                    s.wind_readings += 1
        under = level - max(s.background - s.rise_background, 0.0)
        change = 0
        if s.revision == 0:
            if evidence > p.threshold and excess > p.smallest and s.count > _WARM_UP:
                change = OPENED
                s.onset = s.rise
                s.detected = at[i]
                s.told = x - under
                s.below = 0
                s.peak = x
                s.peak_at = at[i]
                s.peak_background = under
                s.peak_noise = noise
                s.kind = PEAK
                if s.disagrees > s.agrees:
                    s.kind = SENSOR
                elif 2 * s.humid > s.readings and x - under < _SWELLING * max(under, 0.0):
                    s.kind = HUMIDITY
        else:
            if x - under > s.peak - s.peak_background:
                s.peak = x
                s.peak_at = at[i]
                s.peak_background = under
                s.peak_noise = noise
            top = s.peak - s.peak_background
            if excess < _LOW * top or z < 1:
                if s.below == 0:
                    s.below_since = at[i]
                s.below += 1
            else:
                s.below = 0
            too_long = at[i] - s.onset > _LONGEST
            if flags[i] & _STUCK or (s.kind == PEAK and s.disagrees >= _ALONE and s.agrees == 0):
                change = VOIDED
                s.below_since = at[i]
            elif g.revision > 0 and s.kind == PEAK and s.onset >= g.onset - _BEFORE and excess < _OWN * s.residual:
                change = MERGED
            elif too_long or (s.below >= 2 and at[i] - s.below_since >= 1_000 * p.close_seconds):
                change = ENDED
                if too_long and s.below == 0:
                    s.below_since = at[i]
            elif (s.kind == SENSOR and s.agrees > s.disagrees) or (
                s.kind == HUMIDITY and top > _SWELLING * max(s.peak_background, 0.0)
            ):
                change = UPDATED
                s.kind = PEAK
                s.told = top
            elif top > _WORSE * s.told:
                change = UPDATED
                s.told = top
        if change:
            s.revision += 1
            tell(changes[n], i, change, s.kind, slot, states, g, members[begins[number] : begins[number + 1]], p)
            n += 1
        if change in (ENDED, VOIDED, MERGED):
            if s.at - s.onset > _LONGEST:
                s.background = x
            s.revision = 0
            s.evidence = 0.0
        known = max((at[i] - s.first) * (1 / 60_000), gap)
        learning = 0.0 if known * p.noise_rate > 1 and known * p.background_rate > 1 else 1 / known
        slower = p.freeze if s.revision > 0 else 1.0 / (1.0 + p.hold * s.evidence)
        clipped = min(max(x - s.background, -p.fall_limit * own), p.rise_limit * own)
        towards, taken = approach(gap * max(p.background_rate, learning), gap * max(p.noise_rate, learning))
        s.background += slower * towards * clipped
        s.variance += slower * taken * (clipped * clipped - s.variance)
    return n
