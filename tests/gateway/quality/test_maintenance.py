"""Readings in a window of maintenance are flagged; those before, after, of other nodes and properties are not."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.wire import Flag
from gateway.model.observation import ObservationBatch
from gateway.model.registry import MaintenancePeriod
from gateway.quality.maintenance import flag_maintenance
from tests.laws import T0, build_registry

REGISTRY = build_registry(3)
NODES = [datastream.node for datastream in REGISTRY.datastreams]
PROPERTIES = [datastream.observed_property for datastream in REGISTRY.datastreams]
PERIODS = st.lists(
    st.builds(
        lambda node, start, length, properties: MaintenancePeriod(
            node=node, start_ms=T0 + start, end_ms=T0 + start + length, properties=properties
        ),
        st.sampled_from([*NODES, "unknown"]),
        st.integers(-50, 50),
        st.integers(1, 60),
        st.lists(st.sampled_from([*PROPERTIES, "unknown"]), max_size=2),
    ),
    max_size=4,
)


@given(periods=PERIODS, rows=st.lists(st.tuples(st.integers(0, 2), st.integers(-80, 120)), max_size=30))
def test_a_reading_is_flagged_if_and_only_if_a_window_of_its_node_covers_it(periods, rows):
    batch = ObservationBatch.from_columns([slot for slot, _ in rows], [T0 + at for _, at in rows], np.ones(len(rows)))
    flagged = flag_maintenance(batch, replace(REGISTRY, maintenance=periods))
    expected = [
        any(
            period.node == NODES[slot]
            and period.start_ms <= T0 + at < period.end_ms
            and (not period.properties or PROPERTIES[slot] in period.properties)
            for period in periods
        )
        for slot, at in rows
    ]
    assert [bool(flags & Flag.MAINTENANCE) for flags in flagged.flags] == expected
