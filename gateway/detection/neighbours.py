"""Groups of neighbours: the datastreams of one property in one area; large areas are split into near ones.

The groups of a station that moves have no other members, so that it is no neighbour and no twin.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.wire import is_guest, is_mobile
from gateway.detection.records import Topology
from gateway.model.geodesy import METRES_PER_DEGREE, offset_metres
from gateway.model.registry import ObservedProperty, Registry, Station, cache_per_registry

_TWIN_DISTANCE = 30 / METRES_PER_DEGREE  # degrees of latitude
_MAX_GROUP_SIZE = 256  # members of a group; a larger group is halved by position


@dataclass(frozen=True, kw_only=True, eq=False)
class NeighbourGroups:
    """group_of (m,): the group of each slot; the slots of group g are members[offsets[g]:offsets[g + 1]].

    property_of (k,), area_of (k,): index of each group's property in `properties` and of its area in `areas`.
    twin_of (m,): the datastream of the same property beside it, or -1; guests are no twins.
    own_ends (k,): where the guests of each group begin in `members`; is_guest (m,): whose station is a guest's.

    east, north (m,): position of each datastream in metres from the first station of its area; NaN if unknown.
    """

    group_of: NDArray[np.int32]
    members: NDArray[np.int32]
    offsets: NDArray[np.int64]
    properties: tuple[ObservedProperty, ...]
    property_of: NDArray[np.int32]
    area_of: NDArray[np.int32]
    areas: tuple[str, ...]
    twin_of: NDArray[np.int32]
    own_ends: NDArray[np.int64]
    is_guest: NDArray[np.bool_]
    east: NDArray[np.float64]
    north: NDArray[np.float64]

    @property
    def topology(self) -> Topology:
        """The arrays that the kernels read."""
        return Topology(
            group_of=self.group_of,
            members=self.members,
            offsets=self.offsets,
            property_of=self.property_of,
            area_of=self.area_of,
            twin_of=self.twin_of,
            own_ends=self.own_ends,
            is_guest=self.is_guest,
            east=self.east,
            north=self.north,
        )


@cache_per_registry
def build_neighbour_groups(registry: Registry) -> NeighbourGroups:
    """Build the groups of a registry."""
    slots_by_place: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for datastream in registry.datastreams:
        moving = datastream.station if is_mobile(datastream.station) else ""
        area = registry.stations[datastream.station].area
        slots_by_place[area, datastream.observed_property, moving].append(datastream.slot)
    positions = np.array([_position(registry, datastream.station) for datastream in registry.datastreams]).reshape(
        -1, 2
    )
    guests = np.array([is_guest(datastream.station) for datastream in registry.datastreams], np.bool_)
    groups = [
        (key, members[np.argsort(guests[members], kind="stable")])
        for key, slots in slots_by_place.items()
        for members in _split_group(np.array(slots), positions)
    ]
    offsets = np.cumsum([0, *(len(members) for _, members in groups)])
    guest_counts = np.array([np.count_nonzero(guests[members]) for _, members in groups], np.int64)
    areas = tuple(dict.fromkeys(area for (area, _, _), _ in groups))
    properties = tuple(dict.fromkeys(name for (_, name, _), _ in groups))
    area_number = {area: number for number, area in enumerate(areas)}
    property_number = {name: number for number, name in enumerate(properties)}
    east, north = _positions_in_metres(registry)
    group_of = np.zeros(len(registry.datastreams), np.int32)
    for number, (_, members) in enumerate(groups):
        group_of[members] = number
    return NeighbourGroups(
        group_of=group_of,
        members=np.concatenate([members for _, members in groups] or [np.zeros(0, np.int64)]).astype(np.int32),
        offsets=offsets,
        properties=tuple(registry.properties[name] for name in properties),
        property_of=np.array([property_number[name] for (_, name, _), _ in groups], np.int32),
        area_of=np.array([area_number[area] for (area, _, _), _ in groups], np.int32),
        areas=areas,
        twin_of=_find_twins(registry, list(slots_by_place.values()), positions),
        own_ends=offsets[1:] - guest_counts,
        is_guest=guests,
        east=east,
        north=north,
    )


def _position(registry: Registry, station: str) -> tuple[float, float]:
    """Degrees as distances: north, east at about 52 degrees north."""
    place = registry.stations[station]
    return place.latitude, place.longitude * 0.616


def _positions_in_metres(registry: Registry) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return east and north of each datastream, measured from the first station of its area; NaN if unknown."""
    origins: dict[str, Station] = {}
    offsets = np.full((len(registry.datastreams), 2), np.nan)
    for datastream in registry.datastreams:
        station = registry.stations[datastream.station]
        if station.latitude == 0 and station.longitude == 0:
            continue
        origin = origins.setdefault(station.area, station)
        offsets[datastream.slot] = offset_metres(origin.latitude, origin.longitude, station.latitude, station.longitude)
    return np.ascontiguousarray(offsets[:, 0]), np.ascontiguousarray(offsets[:, 1])


def _split_group(slots: NDArray[np.int64], positions: NDArray[np.float64]) -> Iterator[NDArray[np.int64]]:
    """Split across the longer side until no part is too large (leaves of a k-d tree)."""
    if len(slots) <= _MAX_GROUP_SIZE:
        yield slots
        return
    group_positions = positions[slots]
    order = np.argsort(group_positions[:, np.argmax(np.ptp(group_positions, axis=0))], kind="stable")
    for half in (order[: len(order) // 2], order[len(order) // 2 :]):
        yield from _split_group(slots[np.sort(half)], positions)


def _find_twins(registry: Registry, groups: list[list[int]], positions: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return the nearest datastream within 30 m or at the same station; position 0, 0 counts as unknown."""
    twin_of = np.full(len(registry.datastreams), -1, np.int32)
    station_numbers = {name: number for number, name in enumerate(registry.stations)}
    station = np.array([station_numbers[datastream.station] for datastream in registry.datastreams])
    guests = np.array([is_guest(datastream.station) for datastream in registry.datastreams], np.bool_)
    for slots in groups:
        order = np.array(slots)[np.lexsort((slots, *positions[slots].T[::-1]))]
        first, second = order[:-1], order[1:]  # neighbours in that order
        are_close = positions[first].any(axis=1) & (
            np.abs(positions[first] - positions[second]).max(axis=1) < _TWIN_DISTANCE
        )
        are_twins = (are_close | (station[first] == station[second])) & ~(guests[first] | guests[second])
        twin_of[first[are_twins]] = second[are_twins]
        twin_of[second[are_twins]] = first[are_twins]  # of two candidates, the earlier one
    return twin_of
