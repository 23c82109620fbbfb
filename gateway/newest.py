"""What of a commit is news to a viewer: the newest live value of each datastream. Pure."""

from typing import NamedTuple

import numpy as np

from gateway.live import MINUTE, LiveObservation, Recent
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
    lengths = np.diff(ends, prepend=0)
    dt = rows.observed_at[order] - np.repeat(rows.observed_at[order[ends - 1]], lengths)
    # to lists once: a reading's own Python costs more than all of its numpy
    columns = _Columns(dt.tolist(), rows.value[order].tolist(), rows.flags[order].tolist())
    for gap in np.flatnonzero(np.isnan(rows.value[order])).tolist():
        columns.values[gap] = None
    flagged = np.add.reduceat(rows.flags[order] != 0, ends - lengths).tolist()
    slots, newest_at = rows.datastream[order[ends - 1]].tolist(), rows.observed_at[order[ends - 1]].tolist()
    return [
        _observation(registry.datastreams[slot], at, columns, slice(begin, end), flagged=bool(flags))
        for slot, at, begin, end, flags in zip(
            slots, newest_at, [0, *ends[:-1].tolist()], ends.tolist(), flagged, strict=True
        )
    ]


class _Columns(NamedTuple):
    dt: list[int]
    values: list[float | None]
    flags: list[int]


def _observation(datastream: Datastream, at: int, columns: _Columns, span: slice, *, flagged: bool) -> LiveObservation:
    return LiveObservation(
        station=datastream.station,
        observed_property=datastream.observed_property,
        observed_at=moment(at),
        value=columns.values[span.stop - 1],
        flags=columns.flags[span.stop - 1],
        recent=Recent(dt=columns.dt[span], values=columns.values[span], flags=columns.flags[span] if flagged else []),
    )
