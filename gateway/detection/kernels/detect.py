"""Readings one after the other through the detector: the loop. The formulas stand in the package's own words."""

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gateway.detection.kernels.baseline import MEANINGLESS, approach, set_aside, steps
from gateway.detection.kernels.cache_invalidation import forget_stale
from gateway.detection.kernels.changes import name_neighbours
from gateway.detection.kernels.common_mode import FEW, FRESH, SMALL, look_around, worth_telling
from gateway.detection.kernels.event_lifecycle import STUCK, Reading, blow, conclude, follow, has_tail, settle_odd
from gateway.detection.kernels.prefetch import AHEAD, MANY, prefetch
from gateway.detection.kernels.quartiles import MOST
from gateway.detection.kernels.regional import go_through
from gateway.detection.records import Memory, Places, Rows

_BELOW = 1.5  # times the noise below its background: the background hurries down
_NEARLY = 0.999  # less than this part of what makes evidence makes none, however a quotient is rounded


@njit(nogil=True, cache=True, error_model="numpy")
def feel(w: Any, wind: NDArray[np.float32], row: int, at: int) -> None:
    """Move an area's wind on, unless the row has none or is an older one."""
    if np.isnan(wind[row, 0]) or at < w.at:
        return
    part, _ = approach((at - w.at) * (1 / 600_000), 0.0)
    part = 1.0 if at - w.at > FRESH else part
    w.east += part * (wind[row, 0] - w.east)
    w.north += part * (wind[row, 1] - w.north)
    w.speed += part * (wind[row, 2] - w.speed)
    w.at = at


@njit(nogil=True, cache=True, error_model="numpy")
def detect_rows(
    memory: Memory, places: Places, parameters: NDArray[np.void], rows: Rows, changes: NDArray[np.void]
) -> int:
    """Move the memory on in place, write what happened into `changes`, return how many changes there were.

    parameters (properties,) PARAMETERS; changes (4 n + m,) CHANGE for n rows of m streams. Readings that are not
    finite, or not newer than the last one of their datastream, teach nothing.
    """
    n = 0
    scratch = np.empty(MOST)
    # named once: a reading counts no reference
    streams, events, members = memory.streams, memory.events, places.members
    windy = len(rows.wind) > 0
    far = len(streams) > MANY
    last_span, last_property = -1, np.uint64(0)
    p = parameters[0]
    unit = sure = towards = hurried = taken = 0.0
    for i in range(len(rows.value)):
        if far and i + AHEAD < len(rows.value):
            prefetch(streams, rows.slots[np.uint64(i + AHEAD)])
        row = np.uint64(i)  # without a sign numba need not ask whether it counts from the end
        slot = int(rows.slots[row])
        place = np.uint64(slot)
        number = np.uint64(places.group_of[place])
        which = np.uint64(places.property_of[number])
        s, e, g = streams[place], events[place], memory.groups[number]
        at, flags, value = rows.at[row], rows.flags[row], rows.value[row]
        if windy:
            feel(memory.winds[places.area_of[number]], rows.wind, i, at)
        if flags & MEANINGLESS or s.count == 0 or at <= s.at or not abs(value) < np.inf:
            set_aside(s, e, parameters[which], at, value, flags)
            continue
        span = at - s.at
        known = at - s.first
        if which != last_property or span != last_span or known < p.settled:
            p = parameters[which]  # only here, so that a reading like the last one need not wait to be told which
            unit, sure, towards, hurried, taken = steps(p, span, known)
            last_span = span if known >= p.settled else -1
            last_property = which
        if p.on == 0.0:
            continue
        x = value * p.polarity
        background = s.background
        last = background + s.residual
        s.at = at
        s.count += 1
        residual = x - background
        s.residual = residual
        floor = p.noise_absolute + p.noise_relative * abs(background)
        variance = s.variance  # what is kept at hand need not be asked of memory again
        power = variance + floor * floor
        own = math.sqrt(power)
        told = n
        noise, level, part = own, background, 0.0
        size = places.begins[number + np.uint64(1)] - places.begins[number]
        if size > 2:
            g.turn += 1
            share = p.share
            if size <= SMALL or g.turn >= g.due:
                alone = slot if size <= SMALL else -1
                fresh = look_around(g, streams, members, places.begins[number], size, alone, at, p.lift, scratch)
                share = p.few_share if size <= SMALL and fresh < FEW else share
                if g.common > own or g.evidence > 0.0 or g.revision > 0:
                    n = go_through(memory, places, p, slot, own, fresh, i, changes, n)
                else:
                    g.at = at
            common = g.common
            noise = math.sqrt(power + (p.spread * g.spread) * (p.spread * g.spread))
            if common > 0.0:
                if common > 2 * own and common > p.smallest:
                    s.gain += 0.02 * (min(max(s.residual / common, 0.3), 2.0) - s.gain)
                level += share * s.gain * common
            part = s.gain * common  # what all see of it
        excess = x - level
        slower = 1.0
        # Without evidence, and with nothing near what makes some, all of this would change nothing: nearly always.
        if s.evidence > 0.0 or excess > _NEARLY * p.drift * noise or s.revision > 0 or s.odd_count > 0:
            z = excess / noise
            before = s.evidence
            evidence = before + (sure if z >= p.sure else unit) * ((z if z < p.clip else p.clip) - p.drift)
            evidence = 0.0 if evidence < 0.0 or flags & STUCK else evidence
            evidence = evidence if evidence < 4 * p.threshold else 4 * p.threshold
            s.evidence = evidence
            if evidence > 0.0 or s.revision > 0 or s.odd_count > 0:
                twin = places.twin_of[place]
                least = p.smallest
                if evidence > p.threshold and p.smallest_among > least and s.revision == 0:
                    least = worth_telling(memory, places, p, slot, at)
                    e.peak_at = at if excess > p.smallest else e.peak_at  # told or not, its neighbours are to know
                r = Reading(i, slot, at, x, flags, level, noise, excess, z, before, last, twin >= 0, least)
                trailing = s.odd_count > 0 and has_tail(s, e, p, r)
                if evidence > 0.0 or s.revision > 0 or trailing:
                    change = follow(s, e, g, streams[twin if twin >= 0 else slot], p, r, trailing)
                    w = memory.winds[places.area_of[number]]
                    if windy and not np.isnan(rows.wind[i, 0]):
                        blow(e, rows.wind[i, 0], rows.wind[i, 1], rows.wind[i, 2])
                    elif w.at > 0 and abs(at - w.at) <= FRESH:
                        blow(e, w.east, w.north, w.speed)
                    if change:
                        conclude(changes[n], change, s, e, g, r)
                        n += 1
                if s.odd_count > 0 and e.odd_until != at:
                    n += settle_odd(changes[n], s, e, g, p, r)
                slower = p.freeze if s.revision > 0 else 1.0 / (1.0 + p.hold * s.evidence)
                background = s.background
        if n > told:
            name_neighbours(changes, told, n, memory, places, p)
        clipped = min(max(x - background, -p.fall_limit * own), p.rise_limit * own)
        square = clipped * clipped
        left = (residual - part) * (residual - part)  # not under `if`, which costs a quarter more
        square = left if left < square else square
        s.background = background + slower * (hurried if clipped < -_BELOW * own else towards) * clipped
        s.variance = variance + slower * taken * (square - variance)
    return n


forget_stale(detect_rows)
