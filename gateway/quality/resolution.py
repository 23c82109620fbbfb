"""Resolution of a datastream, for the flag `stuck`: which values a working sensor may repeat for hours. Pure.

A batch does not name the sensor model. The rows of sensor_models.toml for its property name the resolutions that it can
have. A sensor repeats a value for hours if its step is coarser than the scatter of its readings in still air:
`still_noise` in properties.toml. A PMS5003, whose step is 1 ug/m3, does so for half a day in clean air. A value that is
a multiple of no such step comes from a finer sensor, whose readings always differ.
"""

from collections.abc import Iterable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from edge_agent.sensor_models import INSTRUMENT_PROPERTIES, MODELS, Measurement
from gateway.model.properties import PROPERTIES
from gateway.model.registry import Registry, cache_per_registry

ANY_VALUE = 0.0  # step that every value is a multiple of
_DECIMAL_STEPS = (100.0, 10.0, 1.0, 0.1, 0.01, 0.001)  # of a property that no row of the table measures
_INSTRUMENTS = {row.name: row for row in INSTRUMENT_PROPERTIES}


@cache_per_registry
def coarse_steps(registry: Registry) -> NDArray[np.float64]:
    """Return (m, k): the steps of each datastream at which a value may stand still for hours; NaN: no step."""
    rows = [find_coarse_steps(datastream.observed_property) for datastream in registry.datastreams]
    steps = np.full((len(rows), max(map(len, rows), default=0)), np.nan)
    for slot, row in enumerate(rows):
        steps[slot, : len(row)] = row
    return steps


@cache  # of few properties: a network has thousands of datastreams of each
def find_coarse_steps(observed_property: str) -> tuple[float, ...]:
    """Return the steps of the models of a property that are coarser than its noise in still air, the finest first."""
    row = PROPERTIES.get(observed_property)
    still_noise = 0.0 if row is None or row.still_noise is None else row.still_noise
    measurements = list(_find_measurements(observed_property))
    steps = {_step_of(measurement) for measurement in measurements} if measurements else set(_DECIMAL_STEPS)
    if still_noise == 0.0 and ANY_VALUE in steps:
        return (ANY_VALUE,)
    return tuple(sorted(step for step in steps if step is not None and step > still_noise))


def _find_measurements(observed_property: str) -> Iterable[Measurement]:
    """Return the rows of all models of a property; of a named instrument its own."""
    instrument = _INSTRUMENTS.get(observed_property)
    if instrument is not None:
        return [instrument.model.measurement(instrument.quantity)]
    rows = (model.measurements.get(observed_property) for model in MODELS.values())
    return (row for row in rows if row is not None)


def _step_of(measurement: Measurement) -> float | None:
    """Return the step of a model; ANY_VALUE if a conversion by the driver hides it, None if its data sheet has none."""
    return ANY_VALUE if measurement.driver_converts else measurement.resolution
