"""Quality flags that need a datastream's history or the property's limits.

Raw values are never changed or dropped: a flag marks a value. Flags set by the node stay. The analyzer calls it. Pure.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from gateway.model.observation import ObservationBatch
from gateway.model.registry import ObservedProperty, Registry, cache_per_registry
from gateway.model.validity import LARGEST_MAGNITUDE
from gateway.quality.kernels import STATE, flag_rows

QualityStates = NDArray[np.void]


class Flagger:
    """Adds the flags out_of_range, stuck, jump and humidity. States: one STATE record per datastream, shape (m,).

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
        """Return the states after these rows, and the rows with flags; the given states stay unchanged."""
        new_states, flags = states.copy(), batch.flags.copy()
        flag_rows(
            new_states,
            _build_limits(registry),
            batch.datastream,
            batch.observed_at,
            batch.value,
            batch.rh,
            batch.late,
            flags,
        )
        return new_states, batch.with_flags(flags)

    def dump(self, states: QualityStates, slots: Sequence[int]) -> list[bytes]:
        """Encode the states of these slots for the database."""
        return [states[slot].tobytes() for slot in slots]

    def load(self, registry: Registry, saved: Mapping[int, bytes]) -> QualityStates:
        """Decode states from the database; a datastream without one starts without history."""
        states = self.initial(registry)
        for slot, state in saved.items():
            states[slot] = np.frombuffer(state, STATE)[0]
        return states


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
