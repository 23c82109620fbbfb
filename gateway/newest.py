"""What of a commit is news to a viewer: the newest live value of each datastream. Pure."""

from datetime import UTC, datetime
from math import isnan

import numpy as np

from gateway.live import MINUTE, LiveObservation
from gateway.observation import ObservationBatch
from gateway.registry import Registry


def newest(rows: ObservationBatch, registry: Registry) -> list[LiveObservation]:
    """The newest live value of each datastream, with what led to it in the same minute."""
    live = np.flatnonzero(~rows.late)
    order = live[np.argsort(rows.datastream[live], kind="stable")]
    stream, stamp = rows.datastream[order], rows.observed_at[order]
    ends = np.flatnonzero(np.append(np.diff(stream), 1)[: len(order)]) + 1
    # to lists once: a reading's own Python costs more than all of its numpy
    value = [None if isnan(v) else v for v in rows.value[order].tolist()]
    at, flags = stamp.tolist(), rows.flags[order].tolist()
    readings = list(zip(at, value, flags, strict=True))
    found, begin = [], 0
    for end in ends.tolist():
        last, datastream = end - 1, registry.datastreams[int(stream[end - 1])]
        found.append(
            LiveObservation(
                station=datastream.station,
                observed_property=datastream.observed_property,
                observed_at=datetime.fromtimestamp(at[last] / 1000, UTC),
                value=value[last],
                flags=flags[last],
                recent=[one for one in readings[begin:end] if one[0] > at[last] - MINUTE],
            )
        )
        begin = end
    return found
