"""Silence of a datastream: open events end at the last reading, evidence is dropped, an old background starts anew.

Gaps are judged by the times of readings, so that live detection, late data and recordings agree. A gap counts from
one valid reading to the next. A silence is a gap of more than a quarter of an hour and of more than three intervals:
hourly readings are not silent. The interval is the gap before, but at most twice the interval before that: one gap does
not excuse the next. After more than two hours, and more than six intervals, the background starts anew: an event that
lasts so long becomes the background too.

Three things can end an event of a silent datastream: a later reading of any neighbour, the next row of the datastream
itself, and the clock of a live gateway. All three write the same revision.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from edge_agent.wire import Flag
from gateway.detection.kernels.baseline import (
    EXCLUDED_MASK,
    INVALID_MASK,
    MAX_INT32,
    WARM_UP_READINGS,
    note_invalid_reading,
    outlier_until,
    start_background,
)
from gateway.detection.kernels.changes import write_change
from gateway.detection.kernels.corroboration import add_neighbours
from gateway.detection.kernels.judge import raise_limit
from gateway.detection.records import ENDED, REGIONAL, SENSOR, VOIDED, StateArrays, Topology

_STUCK_FLAG = int(Flag.STUCK)

MIN_SILENCE_MS = 15 * 60_000  # ms
SILENCE_GAPS = 3  # intervals
_MIN_RESTART_MS = 2 * 3_600_000  # ms
_RESTART_GAPS = 6  # intervals
MAX_GAP_MS = 3_600_000  # ms: the longest gap that counts as the interval of a datastream
LONGEST_SILENCE_MS = SILENCE_GAPS * MAX_GAP_MS  # ms: after it any datastream is silent


@njit(nogil=True, cache=True, error_model="numpy")
def silence_limit(s: Any) -> Any:
    """Return the longest gap in ms after which a datastream is not silent."""
    return max(MIN_SILENCE_MS, SILENCE_GAPS * s.gap_ms)


@njit(nogil=True, cache=True, error_model="numpy")
def restart_limit(s: Any) -> Any:
    """Return the longest gap in ms after which the background of a datastream still holds."""
    return max(_MIN_RESTART_MS, _RESTART_GAPS * s.gap_ms)


@njit(nogil=True, cache=True, error_model="numpy")
def end_without_data(
    state: StateArrays, topology: Topology, slot: int, row: int, changes: NDArray[np.void], change_count: int
) -> int:
    """End the open event of a datastream at its last reading; return the new number of changes."""
    s, e = state.streams[slot], state.events[slot]
    if e.is_reported == 0:
        s.revision = 0
        s.cusum = 0.0
        return change_count
    raise_limit(e)
    e.below_since = s.at
    s.revision += 1
    g = state.groups[topology.group_of[slot]]
    write_change(changes[change_count], row, ENDED, int(e.kind), slot, s, e, g)
    changes[change_count].no_data = 1
    s.revision = 0
    s.cusum = 0.0
    add_neighbours(changes[change_count], state, topology)
    return change_count + 1


@njit(nogil=True, cache=True, error_model="numpy")
def end_silent_members(
    state: StateArrays,
    topology: Topology,
    group: int,
    now: int,
    row: int,
    changes: NDArray[np.void],
    change_count: int,
) -> int:
    """End the open events of a group whose datastreams are silent at `now` (ms); return the new number of changes."""
    silent_at = 0
    for position in range(topology.offsets[group], topology.offsets[group + 1]):
        slot = int(topology.members[position])
        s = state.streams[slot]
        if s.revision == 0:
            continue
        limit = s.at + silence_limit(s)
        if now > limit:
            change_count = end_without_data(state, topology, slot, row, changes, change_count)
        elif silent_at == 0 or limit < silent_at:
            silent_at = limit
    state.groups[group].silent_at = silent_at
    return change_count


@njit(nogil=True, cache=True, error_model="numpy")
def end_silent_episode(
    state: StateArrays, topology: Topology, group: int, row: int, changes: NDArray[np.void], change_count: int
) -> int:
    """End the open episode of a group at its last reading; return the new number of changes."""
    g = state.groups[group]
    g.cusum = 0.0
    if g.revision == 0:
        return change_count
    g.below_since = g.at
    g.revision += 1
    slot = int(g.slot)
    change = changes[change_count]
    write_change(change, row, ENDED, REGIONAL, slot, state.streams[slot], state.events[slot], g)
    change.no_data = 1
    add_neighbours(change, state, topology)
    g.revision = 0
    return change_count + 1


@njit(nogil=True, cache=True, error_model="numpy")
def end_silent_events(state: StateArrays, topology: Topology, now: int, changes: NDArray[np.void]) -> int:
    """End every open event and episode that is silent at `now` (ms), by the clock; return the number of changes."""
    change_count = 0
    for group in range(len(state.groups)):
        g = state.groups[group]
        if g.revision > 0 and now - g.at > silence_limit(state.streams[g.slot]):
            change_count = end_silent_episode(state, topology, group, 0, changes, change_count)
        change_count = end_silent_members(state, topology, group, now, 0, changes, change_count)
    return change_count


@njit(nogil=True, cache=True, error_model="numpy")
def report_invalid_readings(
    state: StateArrays,
    topology: Topology,
    slot: int,
    at: int,
    row: int,
    changes: NDArray[np.void],
    change_count: int,
) -> int:
    """Report invalid readings far above the background, now that a valid one follows at `at`.

    They end there, or with the last of them if a silence lies between. Returns the new number of changes.
    """
    s, e = state.streams[slot], state.events[slot]
    change = changes[change_count]
    write_change(change, row, ENDED, SENSOR, slot, s, e, state.groups[topology.group_of[slot]])
    change.outlier = 1
    change.stream.at = at
    change.no_data = 1 if at - outlier_until(e) > silence_limit(s) else 0
    s.outlier_count = 0
    return change_count + 1


@njit(nogil=True, cache=True, error_model="numpy")
def handle_silence(
    state: StateArrays,
    topology: Topology,
    slot: int,
    at: int,
    row: int,
    changes: NDArray[np.void],
    change_count: int,
) -> int:
    """Forget what a datastream gathered before a silence that ends at `at`; return the new number of changes."""
    s, e = state.streams[slot], state.events[slot]
    if s.revision > 0:
        change_count = end_without_data(state, topology, slot, row, changes, change_count)
    if s.outlier_count > 0 and e.outlier_flags != 0:
        change_count = report_invalid_readings(state, topology, slot, at, row, changes, change_count)
    s.outlier_count = 0
    s.cusum = 0.0
    e.resumed_seconds = min((at - s.first_at) // 1_000, MAX_INT32)
    return change_count


@njit(nogil=True, cache=True, error_model="numpy")
def void_stuck_event(
    state: StateArrays,
    topology: Topology,
    slot: int,
    at: int,
    row: int,
    changes: NDArray[np.void],
    change_count: int,
) -> int:
    """Void the open event of a sensor that turns out to be stuck; return the new number of changes."""
    s, e = state.streams[slot], state.events[slot]
    if e.is_reported == 0:
        s.revision = 0
        return change_count
    raise_limit(e)
    e.below_since = at
    e.flags |= _STUCK_FLAG
    s.revision += 1
    write_change(changes[change_count], row, VOIDED, int(e.kind), slot, s, e, state.groups[topology.group_of[slot]])
    add_neighbours(changes[change_count], state, topology)
    s.revision = 0
    s.cusum = 0.0
    return change_count + 1


@njit(nogil=True, cache=True, error_model="numpy")
def follow_excluded_reading(
    state: StateArrays,
    topology: Topology,
    p: Any,
    slot: int,
    at: int,
    value: float,
    flags: int,
    row: int,
    changes: NDArray[np.void],
    change_count: int,
) -> int:
    """Follow a row without a valid reading: the first one, an older one, one without a value, or one with a flag.

    It teaches nothing and opens nothing. An open event ends if its datastream was silent until now, and is voided if
    the sensor is stuck. Returns the new number of changes.
    """
    s, e = state.streams[slot], state.events[slot]
    is_number = abs(value) < float("inf")
    if p.on == 0.0:
        return change_count
    if s.count == 0:
        if is_number and flags & EXCLUDED_MASK == 0:
            start_background(s, e, p, at, value * p.polarity)
        return change_count
    if at <= s.at or flags & INVALID_MASK == 0:
        return change_count
    if s.revision > 0 and at - s.at > silence_limit(s):
        change_count = end_without_data(state, topology, slot, row, changes, change_count)
    if flags & _STUCK_FLAG:
        s.cusum = 0.0
        if s.revision > 0:
            change_count = void_stuck_event(state, topology, slot, at, row, changes, change_count)
    if s.outlier_count > 0 and e.outlier_flags == 0:  # a single valid reading, whose tail may still come
        if at - s.at <= silence_limit(s):
            return change_count
        s.outlier_count = 0
    if is_number and s.count > WARM_UP_READINGS:
        note_invalid_reading(s, e, p, at, value * p.polarity, flags)
    return change_count
