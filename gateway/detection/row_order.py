"""A canonical order of rows, if all of them are known: recordings and repaired gaps. Pure.

Live detection takes rows in their order of arrival, which the stored batches keep. If the whole span is known, rows
of equal time have no order of arrival that means anything. They are ordered by name and value, so that the order of
the lines of a file, or of the batches of a gap, changes nothing.
"""

import numpy as np
from numpy.typing import NDArray

from edge_agent.wire import EXCLUDED_FLAGS
from gateway.model.observation import ObservationBatch
from gateway.model.registry import Registry, cache_per_registry


def order_rows(batch: ObservationBatch, registry: Registry) -> ObservationBatch:
    """Return the rows by time, node, property, validity and value; of two readings at one time the valid, lower one."""
    is_excluded = batch.flags & int(EXCLUDED_FLAGS) != 0
    ranks = _rank_streams(registry)[batch.datastream]
    return batch[np.lexsort((batch.value, is_excluded, ranks, batch.observed_at))]


@cache_per_registry
def _rank_streams(registry: Registry) -> NDArray[np.int64]:
    """Return (m,): the rank of each datastream by node and property."""
    names = [(d.node, d.observed_property) for d in registry.datastreams]
    ranks = np.zeros(len(names), np.int64)
    ranks[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))
    return ranks
