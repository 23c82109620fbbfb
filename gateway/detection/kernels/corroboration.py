"""Neighbours that rose too: within the time that a plume needs from one station to the other.

A reading stands out if it is more than three times the noise, and more than `smallest`, above the background of its
datastream. A rise is a run of such readings with at most a quarter of an hour between them; its beginning counts.
Each datastream remembers its last two rises.

For a neighbour at a distance of d metres, and with t its beginning after the onset of the event:

    wind known      |t - a / v| <= d / (2 v) + i     a: how far it lies downwind, v: wind speed
    wind unknown    |t| <= d / (1 m/s) + i
    place unknown   |t| <= 15 min

i is the sum of both sampling intervals, as a rise begins between two readings. |t| is at most 15 minutes, and a
neighbour that no plume reaches within that time does not count at all. The wind is known if its mean speed is at least
0.5 m/s and its circular spread at most 60 degrees. Of an episode every member counts that stood out since a quarter of
an hour before its onset.

Stations of guests have a low weight: four of them count as one neighbour. They are named after all others.
"""

import math
from typing import Any

from numba import njit

from gateway.detection.kernels.baseline import MAX_INT32, WARM_UP_READINGS
from gateway.detection.records import MAX_RISEN_SLOTS, REGIONAL, StateArrays, Topology

MAX_WINDOW_MS = 15 * 60_000  # ms
GUESTS_PER_NEIGHBOUR = 4
RISE_NOISE = 3.0  # a reading so many times the noise above the background stands out
_RISE_GAP_MS = 15 * 60_000  # ms without a reading that stands out, after which another rise begins
_STILL_AIR_SPEED = 1.0  # m/s, if the wind is unknown
CALM_SPEED = 0.5  # m/s: below it the direction of a vane means nothing
MIN_RESULTANT = 0.5779  # length of the mean unit vector at a circular spread of 60 degrees: exp(-(pi / 3)^2 / 2)
_SAME_PLACE = 30.0  # m: nearer sensors are twins and no neighbours


@njit(nogil=True, cache=True, error_model="numpy")
def note_rise(e: Any, at: int) -> None:
    """Record a reading that stands out."""
    if e.rose_at > 0 and at - (e.rose_at + e.rose_ms) <= _RISE_GAP_MS:
        e.rose_ms = min(max(at - e.rose_at, e.rose_ms), MAX_INT32)
        return
    e.rose_before_ms = min(at - e.rose_at, MAX_INT32) if e.rose_at > 0 else 0
    e.rose_at = at
    e.rose_ms = 0


@njit(nogil=True, cache=True, error_model="numpy")
def window_of_neighbour(change: Any, s: Any, topology: Topology, slot: int, other: int) -> tuple[float, float]:
    """Return the earliest and latest beginning of a neighbour's rise that counts, in ms after the onset.

    The first is larger than the second if the neighbour cannot count.
    """
    east = topology.east[other] - topology.east[slot]
    north = topology.north[other] - topology.north[slot]
    distance = math.sqrt(east * east + north * north)
    if not distance >= 0.0:  # a place is unknown
        return (1.0, 0.0) if topology.twin_of[slot] == other else (-MAX_WINDOW_MS, MAX_WINDOW_MS)
    if distance < _SAME_PLACE:
        return 1.0, 0.0
    travel_ms, uncertainty_ms = 0.0, 1_000 * distance / _STILL_AIR_SPEED
    e = change.event
    readings = e.wind_readings
    resultant = math.sqrt(e.wind_east * e.wind_east + e.wind_north * e.wind_north)
    if readings > 0 and e.wind_speed >= CALM_SPEED * readings and resultant >= MIN_RESULTANT * readings:
        speed = e.wind_speed / readings
        downwind = -(east * e.wind_east + north * e.wind_north) / resultant
        travel_ms, uncertainty_ms = 1_000 * downwind / speed, 500 * distance / speed
    uncertainty_ms += change.stream.gap_ms + s.gap_ms
    earliest, latest = max(travel_ms - uncertainty_ms, -MAX_WINDOW_MS), min(travel_ms + uncertainty_ms, MAX_WINDOW_MS)
    return earliest, latest


@njit(nogil=True, cache=True, error_model="numpy")
def rose_within(e: Any, since: float, until: float) -> Any:
    """Whether one of the last two rises of a datastream began between two times (ms)."""
    before = e.rose_at - e.rose_before_ms
    return e.rose_at > 0 and (since <= e.rose_at <= until or (e.rose_before_ms > 0 and since <= before <= until))


@njit(nogil=True, cache=True, error_model="numpy")
def add_neighbours(change: Any, state: StateArrays, topology: Topology) -> None:
    """Add to a change how many neighbours had valid readings at that time, which of them rose too, and the window."""
    if change.outlier:
        return
    is_regional = change.kind == REGIONAL
    onset = change.group.onset if is_regional else change.event.onset
    slot, group = change.slot, topology.group_of[change.slot]
    fresh_guests, risen_guests = 0, 0
    for position in range(topology.offsets[group], topology.offsets[group + 1]):
        j = topology.members[position]
        s, e = state.streams[j], state.events[j]
        if j == slot or s.count <= WARM_UP_READINGS:
            continue
        earliest, latest = window_of_neighbour(change, s, topology, slot, j)
        if is_regional:
            earliest, latest = float(-MAX_WINDOW_MS), float(max(change.group.at - onset, 0))
        since, until = onset + earliest, onset + latest
        if earliest > latest or s.at < since or s.first_at + 1_000 * e.resumed_seconds > until:
            continue
        is_guest = topology.is_guest[j]
        fresh_guests += 1 if is_guest else 0
        change.fresh_neighbours += 0 if is_guest else 1
        change.neighbour_window_ms = max(change.neighbour_window_ms, int(max(-earliest, latest)))
        last_at = e.rose_at + e.rose_ms
        if (is_regional and e.rose_at > 0 and last_at >= since) or (not is_regional and rose_within(e, since, until)):
            name_neighbour(change, topology, j, is_guest)
            risen_guests += 1 if is_guest else 0
            change.risen_neighbours += 0 if is_guest else 1
    change.fresh_neighbours += fresh_guests // GUESTS_PER_NEIGHBOUR
    change.risen_neighbours += risen_guests // GUESTS_PER_NEIGHBOUR


@njit(nogil=True, cache=True, error_model="numpy")
def name_neighbour(change: Any, topology: Topology, slot: int, is_guest: bool) -> None:
    """Name a neighbour that rose with the change; if there is no place left, instead of a farther one.

    Members of a group are in an order with guests last, so that a guest never takes the place of another.
    """
    if change.named_neighbours < MAX_RISEN_SLOTS:
        change.risen_slots[change.named_neighbours] = slot
        change.named_neighbours += 1
        return
    if is_guest:
        return
    farthest = 0
    for k in range(1, MAX_RISEN_SLOTS):
        if squared_distance(topology, change.slot, change.risen_slots[k]) > squared_distance(
            topology, change.slot, change.risen_slots[farthest]
        ):
            farthest = k
    if squared_distance(topology, change.slot, slot) < squared_distance(
        topology, change.slot, change.risen_slots[farthest]
    ):
        change.risen_slots[farthest] = slot


@njit(nogil=True, cache=True, error_model="numpy")
def squared_distance(topology: Topology, slot: int, other: int) -> float:
    """Return the square of the distance of two datastreams in m2; NaN if a place is unknown."""
    east = topology.east[other] - topology.east[slot]
    north = topology.north[other] - topology.north[slot]
    return float(east * east + north * north)
