"""Which datastreams are of stations that move. Pure.

A mobile station has no place in the registry (0, 0). Its readings have the positions of its tracks (gateway.tracks).
They are in no mean of a station, take no part in detection, and alert nobody.
"""

import numpy as np
from numpy.typing import NDArray

from edge_agent.wire import is_mobile
from gateway.model.registry import Registry, cache_per_registry


@cache_per_registry
def mask_fixed(registry: Registry) -> NDArray[np.bool_]:
    """Return (m,): whether the station of a datastream stands still; the background of a moving one changes with it."""
    return np.array([not is_mobile(datastream.station) for datastream in registry.datastreams], np.bool_)
