"""The life of one datastream's event: what rises is watched, opened, followed and closed."""

import math
from typing import Any, NamedTuple

from numba import njit

from edge_agent.wire import Flag
from gateway.detection.kernels.baseline import WARM_UP, note_odd
from gateway.detection.kernels.changes import tell
from gateway.detection.kernels.regional import BEFORE, LOW, has_grown, is_part
from gateway.detection.records import ENDED, GLITCH, HUMIDITY, MERGED, OPENED, PEAK, SENSOR, UPDATED, VOIDED

STUCK = int(Flag.STUCK)
_HUMID = int(Flag.HUMIDITY)
_LONGEST = 120 * 60_000  # ms: an event that lasts longer is the new background
_SWELLING = 2.0  # humid air makes particles look up to about this much heavier (Crilley, AMT 11, 709)
_SLOW = 30_000  # ms between readings from which on one of them may be all of a plume
_SOON = 180_000  # ms: later than that nothing is left of it
_TREMBLING = 0.25  # of the least noise of the settings: what no sensor is steadier than
_TAIL = 0.01  # of the height of the odd reading
_ALONE = 3  # readings that a twin contradicts before an event is taken back
_MANY = 9_999


class Reading(NamedTuple):
    """One reading with what `rows` worked out of it.

    `before` is the evidence before it, `last` the reading before it, by what the background is now; `twin`: it has one;
    `least`: the excess from which on it is told.
    """

    row: int
    slot: int
    at: int
    x: float
    flags: int
    level: float
    noise: float
    excess: float
    z: float
    before: float
    last: float
    twin: bool
    least: float


@njit(nogil=True, cache=True, error_model="numpy")
def follow(s: Any, e: Any, g: Any, twin: Any, p: Any, r: Reading, trailing: bool) -> int:
    """Take a reading that rises or belongs to an open event; returns what happened (0: nothing).

    s STREAM and e EVENT of the datastream, g GROUP, twin STREAM (its own where there is none), p PARAMETERS;
    trailing: the reading before stood out, and this is its tail.
    """
    if r.before == 0.0 and s.revision == 0 and not trailing:
        begin_rise(e, r, s.background)
    if r.z >= p.odd and s.revision == 0 and s.odd_count == 0 and r.excess > p.smallest and s.count > WARM_UP:
        note_rise(s, e, p, r)
    e.readings += 1
    e.flags |= r.flags
    e.humid += 1 if r.flags & _HUMID else 0
    if r.twin:
        compare(s, e, twin, p)
    if s.revision > 0:
        return go_on(s, e, g, p, r)
    if s.evidence > p.threshold and r.excess > r.least and s.count > WARM_UP:
        trailing = False
    elif not trailing:
        return 0
    open_event(s, e, r)
    e.trailing = 1 if trailing else 0
    if trailing:
        e.onset = e.odd_since
    if s.odd_count > 0 and e.odd_flags == 0 and e.odd_until != r.at:
        look_back(e)
    return OPENED


@njit(nogil=True, cache=True, error_model="numpy")
def conclude(change: Any, what: int, s: Any, e: Any, g: Any, r: Reading) -> None:
    """Tell what `follow` found; what is over leaves nothing behind."""
    s.revision += 1
    tell(change, r.row, what, int(e.kind), r.slot, s, e, g)
    if what in (ENDED, VOIDED, MERGED):
        if r.at - e.onset > _LONGEST:
            s.background = r.x
        s.revision = 0
        s.evidence = 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def has_tail(s: Any, e: Any, p: Any, r: Reading) -> Any:
    """Whether the reading after an odd one was above those around the two: a plume leaves a tail, a glitch none.

    The next reading alone must say so clearly; with the one after it, which shows how the air moved meanwhile, less
    will do. What moves by itself moves more where readings are further apart.
    """
    if s.revision > 0 or e.odd_flags != 0 or not _SLOW <= r.at - e.odd_until <= _SOON:
        return False
    tail, times = r.x - e.odd_before, p.tail_now
    if s.odd_count > 1:
        tail, times = e.odd_after - 0.5 * (e.odd_before + r.x), p.tail
    apart = max(1.0, (r.at - e.odd_until) * (1 / 60_000))
    return tail > max(times * apart * e.odd_own, _TAIL * (e.odd_peak - e.odd_level))


@njit(nogil=True, cache=True, error_model="numpy")
def note_rise(s: Any, e: Any, p: Any, r: Reading) -> None:
    """Remember a reading that alone stands out: its successors tell what it was."""
    note_odd(s, e, r.at, r.x, r.level, r.noise, 0)
    least = _TREMBLING * p.noise_absolute
    e.odd_before = r.last
    e.odd_own = math.sqrt(s.variance + least * least)


@njit(nogil=True, cache=True, error_model="numpy")
def settle_odd(change: Any, s: Any, e: Any, g: Any, p: Any, r: Reading) -> int:
    """The readings after an odd one tell what that was; returns how many changes this makes."""
    height = e.odd_peak - e.odd_level
    back = s.revision == 0 and r.excess < LOW * height
    if back and e.odd_flags == 0 and s.odd_count == 1 and _SLOW <= r.at - e.odd_until <= _SOON:
        e.odd_after = r.x
        e.odd_until = r.at
        s.odd_count = 2
        return 0
    told = e.odd_flags != 0 or (back and height >= p.sure * e.odd_noise)
    if told:
        tell(change, r.row, ENDED, SENSOR if e.odd_flags != 0 else GLITCH, r.slot, s, e, g)
    s.odd_count = 0
    return 1 if told else 0


@njit(nogil=True, cache=True, error_model="numpy")
def begin_rise(e: Any, r: Reading, background: float) -> None:
    """The first reading with evidence."""
    e.rise = r.at
    e.rise_background = background
    e.readings = 0
    e.humid = 0
    e.flags = 0
    e.agrees = 0
    e.disagrees = 0
    e.wind_east = 0.0
    e.wind_north = 0.0
    e.wind_speed = 0.0
    e.wind_readings = 0


@njit(nogil=True, cache=True, error_model="numpy")
def blow(e: Any, east: float, north: float, speed: float) -> None:
    """Add where the wind comes from at this reading."""
    e.wind_east += east
    e.wind_north += north
    e.wind_speed += speed
    e.wind_readings += 1


@njit(nogil=True, cache=True, error_model="numpy")
def compare(s: Any, e: Any, twin: Any, p: Any) -> None:
    """Count whether the collocated twin says the same."""
    if twin.count > WARM_UP and twin.at >= e.rise:
        if twin.residual > LOW * s.residual:
            e.agrees = min(e.agrees + 1, _MANY)
        elif s.residual > p.smallest:
            e.disagrees = min(e.disagrees + 1, _MANY)


@njit(nogil=True, cache=True, error_model="numpy")
def open_event(s: Any, e: Any, r: Reading) -> None:
    """Enough evidence: what it is, as far as one can tell now."""
    under = min(s.background, e.rise_background) + (r.level - s.background)
    e.onset = e.rise
    e.detected = r.at
    e.told = r.x - under
    e.below = 0
    e.peak = r.x
    e.peak_at = r.at
    e.peak_background = under
    e.peak_noise = r.noise
    e.peak_common = r.level - s.background
    e.kind = PEAK
    if e.disagrees > e.agrees:
        e.kind = SENSOR
    elif 2 * e.humid > e.readings and r.x - under < _SWELLING * max(under, 0.0):
        e.kind = HUMIDITY


@njit(nogil=True, cache=True, error_model="numpy")
def look_back(e: Any) -> None:
    """The peak was the odd reading before this one, if that was higher."""
    if e.odd_peak - e.odd_level <= e.peak - e.peak_background:
        return
    e.peak = e.odd_peak
    e.peak_at = e.odd_since
    e.peak_background = e.odd_level
    e.peak_noise = e.odd_noise
    e.peak_common = 0.0
    e.told = e.peak - e.peak_background


@njit(nogil=True, cache=True, error_model="numpy")
def go_on(s: Any, e: Any, g: Any, p: Any, r: Reading) -> int:
    """One more reading of an open event; returns what happened to it (0: nothing)."""
    under = min(s.background, e.rise_background) + (r.level - s.background)
    if r.x - under > e.peak - e.peak_background:
        e.peak = r.x
        e.peak_at = r.at
        e.peak_background = under
        e.peak_noise = r.noise
        e.peak_common = r.level - s.background
    top = e.peak - e.peak_background
    if r.excess < LOW * top or r.z < 1:
        if e.below == 0:
            e.below_since = r.at
        e.below += 1
    else:
        e.below = 0
    too_long = r.at - e.onset > _LONGEST
    if r.flags & STUCK or (e.kind == PEAK and e.disagrees >= _ALONE and e.agrees == 0):
        e.below_since = r.at
        return VOIDED
    if g.revision > 0 and e.kind == PEAK and e.onset >= g.onset - BEFORE and is_part(s, e, g):
        return MERGED
    if too_long or (e.below >= 2 and r.at - e.below_since >= 1_000 * p.close_seconds):
        if e.below == 0:
            e.below_since = r.at
        return ENDED
    unlike = e.kind == HUMIDITY and top > _SWELLING * max(e.peak_background, 0.0)
    if unlike or (e.kind == SENSOR and e.agrees > e.disagrees):
        e.kind = PEAK
        e.told = top
        return UPDATED
    if has_grown(p, e.told, top):
        e.told = top
        return UPDATED
    return 0
