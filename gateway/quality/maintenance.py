"""The flag maintenance for readings in the windows of operators: work on a node, or a sensor that is set aside.

Pure; the flagger calls it. It comes before all other flags, so that a reading of a node under maintenance is no context
of another value.
"""

import numpy as np
from numpy.typing import NDArray

from edge_agent.wire import Flag
from gateway.model.observation import ObservationBatch
from gateway.model.registry import MaintenancePeriod, Registry


def flag_maintenance(batch: ObservationBatch, registry: Registry) -> ObservationBatch:
    """Return the rows with the flag where a window of their node covers their time; without one, the batch itself."""
    if not registry.maintenance or not len(batch):
        return batch
    first, last = int(batch.observed_at.min()), int(batch.observed_at.max())
    flagged: NDArray[np.bool_] = np.zeros(len(batch), np.bool_)
    for period in registry.maintenance:
        if period.start_ms <= last and period.end_ms > first:
            is_covered = np.isin(batch.datastream, _list_slots(registry, period))
            flagged |= is_covered & (batch.observed_at >= period.start_ms) & (batch.observed_at < period.end_ms)
    return batch.with_flags(batch.flags | flagged * np.int32(Flag.MAINTENANCE)) if flagged.any() else batch


def _list_slots(registry: Registry, period: MaintenancePeriod) -> list[int]:
    slots = registry.slots_by_node.get(period.node, ())
    if not period.properties:
        return list(slots)
    return [slot for slot in slots if registry.datastreams[slot].observed_property in period.properties]
