"""Nodes and areas of all datastreams as arrays, once per registry: ingest asks for them in every transaction. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.model.observation import SlotArray
from gateway.model.registry import Registry, cache_per_registry
from gateway.model.spans import expand_spans


@dataclass(frozen=True, kw_only=True)
class RegistryIndex:
    """Nodes and areas with datastreams, in the order of their first slot, and what belongs to which.

    node_of, area_of  shape (m,): place in `nodes` and `areas` of each of the m datastreams, by slot
    slots             shape (m,): slots ordered by node
    first_slots       shape (nodes + 1,): the slots of node i are `slots[first_slots[i] : first_slots[i + 1]]`
    """

    nodes: Sequence[str]
    areas: Sequence[str]
    node_of: NDArray[np.int32]
    area_of: NDArray[np.int32]
    slots: SlotArray
    first_slots: NDArray[np.int64]

    def find_nodes(self, slots: SlotArray) -> NDArray[np.intp]:
        """Return the places of the nodes that have any of these datastreams."""
        return np.flatnonzero(np.bincount(self.node_of[slots], minlength=len(self.nodes)))

    def slots_of(self, nodes: NDArray[np.intp]) -> SlotArray:
        """Return all slots of these nodes, node by node."""
        slots: SlotArray = self.slots[expand_spans(self.first_slots[nodes], self.count_slots(nodes))]
        return slots

    def count_slots(self, nodes: NDArray[np.intp]) -> NDArray[np.int64]:
        """Return the number of datastreams of each of these nodes."""
        return self.first_slots[nodes + 1] - self.first_slots[nodes]


@cache_per_registry
def index_registry(registry: Registry) -> RegistryIndex:
    """Return the index of this registry."""
    nodes = list(dict.fromkeys(datastream.node for datastream in registry.datastreams))
    areas = list(dict.fromkeys(registry.stations[datastream.station].area for datastream in registry.datastreams))
    node_places, area_places = _number(nodes), _number(areas)
    node_of = np.array([node_places[datastream.node] for datastream in registry.datastreams], np.int32)
    area_of = [area_places[registry.stations[datastream.station].area] for datastream in registry.datastreams]
    return RegistryIndex(
        nodes=nodes,
        areas=areas,
        node_of=node_of,
        area_of=np.array(area_of, np.int32),
        slots=np.argsort(node_of, kind="stable").astype(np.int32),
        first_slots=np.concatenate([[0], np.cumsum(np.bincount(node_of, minlength=len(nodes)))]),
    )


def _number(names: Sequence[str]) -> dict[str, int]:
    return {name: place for place, name in enumerate(names)}
