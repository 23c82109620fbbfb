"""Places of a batch's properties: the slots of its datastreams, looked up once per node and set of properties. Pure.

A node sends the same properties for months, so decoding asks for the same few places again and again.
"""

from typing import NamedTuple

from edge_agent.wire import ReadingBatch
from gateway.model.registry import Registry, cache_per_registry

_MAX_SETS = 50_000  # sets of properties that are remembered; a hostile node cannot make more


class PropertyPlaces(NamedTuple):
    """Places in the registry of the properties of a batch.

    properties           those with a datastream, sorted
    slots                their slots, in that order
    unplaced_properties  known properties that have no datastream yet
    unknown_properties   properties that the registry does not have, sorted
    """

    properties: tuple[str, ...]
    slots: tuple[int, ...]
    unplaced_properties: tuple[str, ...]
    unknown_properties: tuple[str, ...]


_Cache = dict[tuple[str, tuple[str, ...]], PropertyPlaces]


@cache_per_registry
def _places_of(registry: Registry) -> _Cache:  # noqa: ARG001 - one dictionary per registry
    return {}


def find_places(registry: Registry, batch: ReadingBatch) -> PropertyPlaces:
    """Return the places of the properties of this batch in this registry."""
    places, key = _places_of(registry), (batch.node, tuple(batch.values))
    if (result := places.get(key)) is None:
        if len(places) >= _MAX_SETS:
            places.clear()
        result = places[key] = _look_up(registry, *key)
    return result


def _look_up(registry: Registry, node: str, properties: tuple[str, ...]) -> PropertyPlaces:
    placed = tuple(sorted(name for name in properties if (node, name) in registry.slots))
    return PropertyPlaces(
        properties=placed,
        slots=tuple(registry.slots[node, name] for name in placed),
        unplaced_properties=tuple(
            name for name in properties if (node, name) not in registry.slots and name in registry.properties
        ),
        unknown_properties=tuple(sorted(name for name in properties if name not in registry.properties)),
    )
