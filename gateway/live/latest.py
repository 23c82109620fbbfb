"""Selects what viewers get from a commit: the newest live value of each datastream. Pure."""

import numpy as np

from gateway.live.message import MINUTE_MS, LiveObservation, RecentReadings
from gateway.model.observation import ObservationBatch
from gateway.model.registry import Datastream, Registry
from gateway.model.timestamps import from_ms


def select_latest(rows: ObservationBatch, registry: Registry) -> list[LiveObservation]:
    """Return the newest live value of each datastream, with the readings of the minute before it."""
    live = np.flatnonzero(~rows.late)
    order = live[np.argsort(rows.datastream[live], kind="stable")]
    if not len(order):
        return []
    lengths = np.diff(np.flatnonzero(np.diff(rows.datastream[order], prepend=-1, append=-1)))
    last_at = rows.observed_at[order[np.cumsum(lengths) - 1]]
    dt = rows.observed_at[order] - np.repeat(last_at, lengths)
    recent = dt > -MINUTE_MS
    ends = np.cumsum(np.add.reduceat(recent, np.cumsum(lengths) - lengths))  # at least the last row of each datastream
    order = order[recent]
    # Convert to lists once: per-reading Python costs more than all of the numpy work.
    columns = RecentReadings(
        dt=dt[recent].tolist(), values=rows.value[order].tolist(), flags=rows.flags[order].tolist()
    )
    for gap in np.flatnonzero(np.isnan(rows.value[order])).tolist():
        columns.values[gap] = None
    slots, ends = rows.datastream[order[ends - 1]].tolist(), ends.tolist()
    return [
        _build_observation(registry.datastreams[slot], at, columns, slice(begin, end))
        for slot, at, begin, end in zip(slots, last_at.tolist(), [0, *ends[:-1]], ends, strict=True)
    ]


def _build_observation(datastream: Datastream, at: int, columns: RecentReadings, span: slice) -> LiveObservation:
    values, flags = columns.values[span], columns.flags[span]
    return LiveObservation(
        station=datastream.station,
        observed_property=datastream.observed_property,
        observed_at=from_ms(at),
        value=values[-1],
        flags=flags[-1],
        recent=RecentReadings(dt=columns.dt[span], values=values, flags=flags if any(flags) else []),
    )
