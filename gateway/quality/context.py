"""Wind and humidity as the context of other values: only valid ones count. Pure; the flagger calls it.

Each row of a batch carries the humidity and the wind that the same node measured at the same time. Such a value is
removed (NaN) if the row of that datastream has a flag that excludes it, or if it is outside the range of its
property. 990 is not a wind direction, and no site is named by the wind of a node under maintenance.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_agent.wire import EXCLUDED_FLAGS
from gateway.model.observation import FloatArray, ObservationBatch
from gateway.model.properties import PROPERTIES
from gateway.model.registry import Registry, cache_per_registry

_CONTEXT_PROPERTIES = {"rh": "humidity", "wind_speed": "wind_speed", "wind_direction": "wind_direction"}
_NUMBERS = {name: number for number, name in enumerate(_CONTEXT_PROPERTIES.values(), start=1)}


def is_context_stream(registry: Registry) -> NDArray[np.bool_]:
    """Return (m,): whether a datastream measures wind or humidity."""
    return _context_numbers(registry) > 0


def exclude_invalid_context(batch: ObservationBatch, registry: Registry) -> ObservationBatch:
    """Return the rows without invalid wind and humidity; the values of these datastreams themselves stay."""
    columns: dict[str, Any] = {
        column: _exclude_flagged(batch, _within_range(getattr(batch, column), name, registry), name, registry)
        for column, name in _CONTEXT_PROPERTIES.items()
        if np.isfinite(getattr(batch, column)).any()
    }
    return replace(batch, **columns) if columns else batch


@cache_per_registry
def _context_numbers(registry: Registry) -> NDArray[np.int8]:
    """Return (m,): 0, or the number of the context property that a datastream measures."""
    return np.array([_NUMBERS.get(d.observed_property, 0) for d in registry.datastreams], np.int8)


def _within_range(values: FloatArray, name: str, registry: Registry) -> FloatArray:
    """Return the values with NaN for each outside the range of the property."""
    limits = registry.properties.get(name) or PROPERTIES[name]
    lower = -np.inf if limits.lower is None else limits.lower
    upper = np.inf if limits.upper is None else limits.upper
    return np.where((values >= lower) & (values <= upper), values, np.nan)


def _exclude_flagged(batch: ObservationBatch, values: FloatArray, name: str, registry: Registry) -> FloatArray:
    """Return the values with NaN in every row of a node and time whose own row of the property is excluded."""
    is_flagged = (_context_numbers(registry)[batch.datastream] == _NUMBERS[name]) & (
        batch.flags & int(EXCLUDED_FLAGS) != 0
    )
    if not is_flagged.any():
        return values
    excluded = set(zip(batch.batch[is_flagged].tolist(), batch.observed_at[is_flagged].tolist(), strict=True))
    keys = zip(batch.batch.tolist(), batch.observed_at.tolist(), strict=True)
    return np.where([key in excluded for key in keys], np.nan, values)
