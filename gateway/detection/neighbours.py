"""Who is whose neighbour: the datastreams of one property in one area, the near ones together where there are many."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.detection.records import Places
from gateway.model.registry import ObservedProperty, Registry, remembered

_BESIDE = 30 / 111_195  # degrees of latitude
_MOST = 256  # members of a group; more are halved by where they stand, so that neighbours are near


@dataclass(frozen=True, kw_only=True, eq=False)
class Neighbourhoods:
    """group_of (m,): the group of each slot; the slots of group g stand at members[begins[g]:begins[g + 1]].

    properties: the observed properties there are; property_of (k,), area_of (k,): the place of each group's in them.
    twin_of (m,): the datastream of the same property that stands beside it, or -1.
    """

    group_of: NDArray[np.int32]
    members: NDArray[np.int32]
    begins: NDArray[np.int64]
    properties: tuple[ObservedProperty, ...]
    property_of: NDArray[np.int32]
    area_of: NDArray[np.int32]
    areas: tuple[str, ...]
    twin_of: NDArray[np.int32]

    @property
    def places(self) -> Places:
        """What the kernel asks of it."""
        return Places(
            group_of=self.group_of,
            members=self.members,
            begins=self.begins,
            property_of=self.property_of,
            area_of=self.area_of,
            twin_of=self.twin_of,
        )


@remembered
def neighbourhoods(registry: Registry) -> Neighbourhoods:
    """The groups of a registry."""
    together: dict[tuple[str, str], list[int]] = defaultdict(list)
    for d in registry.datastreams:
        together[registry.stations[d.station].area, d.observed_property].append(d.slot)
    places = np.array([_place(registry, d.station) for d in registry.datastreams]).reshape(-1, 2)
    found = [(key, near) for key, slots in together.items() for near in _near(np.array(slots), places)]
    areas = tuple(dict.fromkeys(area for (area, _), _ in found))
    properties = tuple(dict.fromkeys(name for (_, name), _ in found))
    area_number = {area: number for number, area in enumerate(areas)}
    property_number = {name: number for number, name in enumerate(properties)}
    group_of = np.zeros(len(registry.datastreams), np.int32)
    for number, (_, near) in enumerate(found):
        group_of[near] = number
    return Neighbourhoods(
        group_of=group_of,
        members=np.concatenate([near for _, near in found] or [np.zeros(0, np.int64)]).astype(np.int32),
        begins=np.cumsum([0, *(len(near) for _, near in found)]),
        properties=tuple(registry.properties[name] for name in properties),
        property_of=np.array([property_number[name] for (_, name), _ in found], np.int32),
        area_of=np.array([area_number[area] for (area, _), _ in found], np.int32),
        areas=areas,
        twin_of=_twins(registry, list(together.values()), places),
    )


def _place(registry: Registry, station: str) -> tuple[float, float]:
    """Degrees as distances: north, east at about 52 degrees north."""
    found = registry.stations[station]
    return found.latitude, found.longitude * 0.616


def _near(slots: NDArray[np.int64], places: NDArray[np.float64]) -> Iterator[NDArray[np.int64]]:
    """Halves across the longer side until no part is too large (a k-d tree's leaves)."""
    if len(slots) <= _MOST:
        yield slots
        return
    mine = places[slots]
    order = np.argsort(mine[:, np.argmax(np.ptp(mine, axis=0))], kind="stable")
    for part in (order[: len(order) // 2], order[len(order) // 2 :]):
        yield from _near(slots[np.sort(part)], places)


def _twins(registry: Registry, together: list[list[int]], places: NDArray[np.float64]) -> NDArray[np.int32]:
    """The nearest one within 30 m, or at the same station; a place of 0, 0 is no place."""
    found = np.full(len(registry.datastreams), -1, np.int32)
    numbers = {name: number for number, name in enumerate(registry.stations)}
    station = np.array([numbers[d.station] for d in registry.datastreams])
    for slots in together:
        order = np.array(slots)[np.lexsort((slots, *places[slots].T[::-1]))]
        one, other = order[:-1], order[1:]  # neighbours in that order
        near = places[one].any(axis=1) & (np.abs(places[one] - places[other]).max(axis=1) < _BESIDE)
        twins = near | (station[one] == station[other])
        found[one[twins]] = other[twins]
        found[other[twins]] = one[twins]  # of two, the one before
    return found
