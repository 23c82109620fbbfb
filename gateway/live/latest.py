"""Selects what viewers get from a commit: the newest valid live value of each datastream. Pure."""

from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from gateway.live.message import MINUTE_MS, LiveObservation, RecentReadings
from gateway.model.mobile import mask_fixed
from gateway.model.observation import IntArray, ObservationBatch
from gateway.model.registry import Datastream, Registry
from gateway.model.timestamps import from_ms
from gateway.model.validity import UNDATED_MASK, find_valid


def select_latest(rows: ObservationBatch, registry: Registry) -> list[LiveObservation]:
    """Return the newest valid live value of each datastream, with the readings from a minute before it on.

    A datastream without a valid value in this commit is there without a value, with the flags of its newest reading.
    Readings whose time is not believed, and those of moving stations, are left out.
    """
    is_shown = ~rows.late & ((rows.flags & UNDATED_MASK) == 0) & mask_fixed(registry)[rows.datastream]
    order = _order_by_datastream_and_time(rows, np.flatnonzero(is_shown))
    if not len(order):
        return []
    datastream, observed_at = rows.datastream[order], rows.observed_at[order]
    lengths = np.diff(np.flatnonzero(np.diff(datastream, prepend=-1, append=-1)))
    newest = _find_newest(find_valid(rows.value, rows.flags)[order], lengths)
    dt = observed_at - np.repeat(observed_at[newest], lengths)
    recent = dt > -MINUTE_MS
    ends = np.cumsum(np.add.reduceat(recent, np.cumsum(lengths) - lengths))  # at least the newest row of each
    value, flags = rows.value[order[recent]], rows.flags[order[recent]]
    # Convert to lists once: per-reading Python costs more than all of the numpy work.
    columns = RecentReadings(dt=dt[recent].tolist(), values=value.tolist(), flags=flags.tolist() if flags.any() else [])
    for gap in np.flatnonzero(~find_valid(value, flags)).tolist():
        columns.values[gap] = None
    positions = (np.cumsum(recent)[newest] - 1).tolist()  # of the newest rows among the recent ones
    spans = map(slice, [0, *ends.tolist()[:-1]], ends.tolist())
    slots, last_at = datastream[newest].tolist(), observed_at[newest].tolist()
    instants = {at: from_ms(at) for at in set(last_at)}  # all values of a node have few
    return [
        _build_observation(registry.datastreams[slot], instants[at], columns, span, position)
        for slot, at, span, position in zip(slots, last_at, spans, positions, strict=True)
    ]


def _order_by_datastream_and_time(rows: ObservationBatch, chosen: IntArray) -> IntArray:
    """Return the indices of the chosen rows in that order."""
    order = chosen[np.argsort(rows.datastream[chosen], kind="stable")]
    steps = np.diff(rows.observed_at[order])
    if (steps[np.diff(rows.datastream[order]) == 0] < 0).any():  # seldom: a clock was set, or batches swapped places
        order = chosen[np.lexsort((rows.observed_at[chosen], rows.datastream[chosen]))]
    return order


def _find_newest(valid: NDArray[np.bool_], lengths: IntArray) -> IntArray:
    """Return the last valid row of each group of successive rows, else its last row."""
    ends = np.cumsum(lengths)
    last_valid: IntArray = np.maximum.reduceat(np.where(valid, np.arange(len(valid)), -1), ends - lengths)
    return np.where(last_valid < 0, ends - 1, last_valid)


def _build_observation(
    datastream: Datastream, at: datetime, columns: RecentReadings, span: slice, position: int
) -> LiveObservation:
    flags = columns.flags[span]
    return LiveObservation(
        station=datastream.station,
        observed_property=datastream.observed_property,
        observed_at=at,
        value=columns.values[position],
        flags=columns.flags[position] if flags else 0,
        node=datastream.node,
        recent=RecentReadings(dt=columns.dt[span], values=columns.values[span], flags=flags if any(flags) else []),
    )
