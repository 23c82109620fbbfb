"""What of a commit is news to a viewer: the newest live value of each datastream. Pure."""

import numpy as np

from gateway.live import MINUTE, LiveObservation
from gateway.observation import ObservationBatch
from gateway.registry import Datastream, Registry
from gateway.stamps import moment


def newest(rows: ObservationBatch, registry: Registry) -> list[LiveObservation]:
    """The newest live value of each datastream, with what led to it in the same minute."""
    live = np.flatnonzero(~rows.late)
    order = live[np.argsort(rows.datastream[live], kind="stable")]
    if not len(order):
        return []
    lengths = np.diff(np.flatnonzero(np.diff(rows.datastream[order], prepend=-1, append=-1)))
    last_at = rows.observed_at[order[np.cumsum(lengths) - 1]]
    recent = rows.observed_at[order] > np.repeat(last_at - MINUTE, lengths)
    ends = np.cumsum(np.add.reduceat(recent, np.cumsum(lengths) - lengths))  # each datastream keeps its last at least
    order = order[recent]
    # to lists once: a reading's own Python costs more than all of its numpy
    value: list[float | None] = rows.value[order].tolist()
    for gap in np.flatnonzero(np.isnan(rows.value[order])).tolist():
        value[gap] = None
    readings = list(zip(rows.observed_at[order].tolist(), value, rows.flags[order].tolist(), strict=True))
    slots = rows.datastream[order[ends - 1]].tolist()
    return [
        _observation(registry.datastreams[slot], readings[begin:end])
        for slot, begin, end in zip(slots, [0, *ends[:-1].tolist()], ends.tolist(), strict=True)
    ]


def _observation(datastream: Datastream, readings: list[tuple[int, float | None, int]]) -> LiveObservation:
    at, value, flags = readings[-1]
    return LiveObservation(
        station=datastream.station,
        observed_property=datastream.observed_property,
        observed_at=moment(at),
        value=value,
        flags=flags,
        recent=readings,
    )
