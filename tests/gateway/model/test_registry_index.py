"""The index of a registry agrees with its datastreams, in whatever order these were created."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.registry import Datastream, Registry, Station
from gateway.model.registry_index import index_registry

_PLACES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=30)  # node, area


def build_registry(places):
    names = [(f"n{node}", f"s{node}-{area}", f"a{area}") for node, area in places]
    return Registry(
        areas={},
        sites=[],
        stations={s: Station(id=s, area=area, name=s, latitude=52.0, longitude=4.6) for _, s, area in names},
        nodes={},
        properties={},
        datastreams=[
            Datastream(slot=i, id=100 + i, station=station, node=node, observed_property="pm2_5")
            for i, (node, station, _) in enumerate(names)
        ],
        slots={},
    )


@given(_PLACES, st.data())
def test_index_agrees_with_datastreams(places, data):
    registry = build_registry(places)
    index = index_registry(registry)
    chosen = data.draw(st.lists(st.integers(0, len(places) - 1), min_size=1))
    nodes = index.find_nodes(np.array(chosen, np.int32))
    names = [index.nodes[place] for place in nodes]
    assert set(names) == {registry.datastreams[slot].node for slot in chosen}
    assert index.slots_of(nodes).tolist() == [slot for name in names for slot in registry.slots_by_node[name]]
    assert index.count_slots(nodes).tolist() == [len(registry.slots_by_node[name]) for name in names]
    areas = [registry.stations[datastream.station].area for datastream in registry.datastreams]
    assert [index.areas[place] for place in index.area_of] == areas
