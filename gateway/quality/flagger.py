"""Quality flags that need a datastream's history or the property's limits.

Raw values are never changed or dropped: a flag marks a value. Flags set by the node stay. The analyzer calls it. Pure.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gateway.model.observation import ObservationBatch, SlotArray
from gateway.model.registry import ObservedProperty, Registry, cache_per_registry
from gateway.model.validity import LARGEST_MAGNITUDE
from gateway.quality.context import exclude_invalid_context, is_context_stream
from gateway.quality.kernels import STATE, flag_rows
from gateway.quality.maintenance import flag_maintenance
from gateway.quality.resolution import coarse_steps

QualityStates = NDArray[np.void]


class Flagger:
    """Adds the flags maintenance, out_of_range, stuck, jump and humidity. States: one STATE record per datastream.

    Late rows get out_of_range only: the others need what came before them.
    """

    def initial(self, registry: Registry) -> QualityStates:
        """Return states without history."""
        return np.zeros(len(registry.datastreams), STATE)

    def grow(self, states: QualityStates, registry: Registry) -> QualityStates:
        """Return the states with records without history for new datastreams."""
        return np.concatenate([states, np.zeros(len(registry.datastreams) - len(states), STATE)])

    def flag(
        self, states: QualityStates, batch: ObservationBatch, registry: Registry
    ) -> tuple[QualityStates, ObservationBatch]:
        """Return the states after these rows, and the rows with flags; the given states stay unchanged.

        Wind and humidity are flagged first. Invalid ones do not become the context of the other values, and invalid
        humidity flags none of them.
        """
        new_states, batch = states.copy(), flag_maintenance(batch, registry)
        is_context = is_context_stream(registry)[batch.datastream]
        batch = _flag_rows(new_states, batch, is_context, registry)
        batch = exclude_invalid_context(batch, registry)
        return new_states, _flag_rows(new_states, batch, ~is_context, registry)

    def dump(self, states: QualityStates, slots: SlotArray) -> NDArray[np.uint8]:
        """Return the states of these slots for the database, shape (slots, bytes)."""
        return states.view(np.uint8).reshape(len(states), STATE.itemsize)[slots]

    def load(self, registry: Registry, saved: Mapping[int, bytes]) -> QualityStates:
        """Decode states from the database; a datastream without one starts without history."""
        states = self.initial(registry)
        for slot, state in saved.items():
            states[slot] = np.frombuffer(state, STATE)[0]
        return states


def _flag_rows(
    states: QualityStates, batch: ObservationBatch, chosen: NDArray[np.bool_], registry: Registry
) -> ObservationBatch:
    """Flag the chosen rows; update the states in place."""
    if not chosen.any():
        return batch
    flags = batch.flags.copy()
    chosen_flags = flags[chosen]
    flag_rows(
        states,
        _build_limits(registry),
        coarse_steps(registry),
        batch.datastream[chosen],
        batch.observed_at[chosen],
        batch.value[chosen],
        batch.rh[chosen],
        batch.late[chosen],
        chosen_flags,
    )
    flags[chosen] = chosen_flags
    return batch.with_flags(flags)


@cache_per_registry
def _build_limits(registry: Registry) -> NDArray[np.float64]:
    """Shape (m, 4): lower, upper, max_rise (NaN: not checked), 1 if humidity matters."""
    return np.array([_limits_of(registry.properties[d.observed_property]) for d in registry.datastreams]).reshape(-1, 4)


def _limits_of(observed_property: ObservedProperty) -> tuple[float, float, float, float]:
    lower, upper, max_rise = observed_property.lower, observed_property.upper, observed_property.max_rise
    return (
        -LARGEST_MAGNITUDE if lower is None else max(lower, -LARGEST_MAGNITUDE),
        LARGEST_MAGNITUDE if upper is None else min(upper, LARGEST_MAGNITUDE),
        np.nan if max_rise is None else max_rise,
        float(observed_property.id.startswith("pm")),
    )
