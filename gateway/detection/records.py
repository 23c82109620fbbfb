"""What the kernels remember, are told, and tell: records of fixed width. Times are ms UTC.

A datastream has two records in two arrays: every reading touches STREAM, one line of the cache (64 bytes), and what
its neighbours ask of it stands there too; EVENT only matters while something rises.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

STREAM = np.dtype(
    [
        ("at", np.int64),  # last reading
        ("residual", np.float64),  # last reading above its background
        ("background", np.float64),
        ("variance", np.float64),
        ("evidence", np.float64),
        ("gain", np.float64),  # beta
        ("first", np.int64),  # first reading
        ("count", np.int32),
        ("revision", np.int16),  # 0: no event is open
        ("odd_count", np.int16),  # readings that stand out but are no peak
    ]
)

EVENT = np.dtype(
    [
        ("rise", np.int64),  # first reading since the evidence was 0
        ("rise_background", np.float64),  # and the background before it
        ("readings", np.int32),  # since the rise; so are the following
        ("humid", np.int32),  # readings in humid air
        ("flags", np.int32),  # any reading's
        ("agrees", np.int16),  # readings to which a collocated twin said the same
        ("disagrees", np.int16),
        ("wind_east", np.float32),  # sums of unit vectors the wind comes from
        ("wind_north", np.float32),
        ("wind_speed", np.float32),
        ("wind_readings", np.int32),
        ("below", np.int32),  # readings; of the open event, so are the following
        ("kind", np.int32),
        ("onset", np.int64),
        ("detected", np.int64),
        ("peak_at", np.int64),
        ("below_since", np.int64),  # 0: not below
        ("peak", np.float64),
        ("peak_background", np.float64),
        ("peak_noise", np.float64),
        ("told", np.float64),  # excess as last told
        ("odd_since", np.int64),  # what stands out but is no peak: one reading, or a sensor that says it is unwell
        ("odd_until", np.int64),
        ("odd_peak", np.float64),
        ("odd_level", np.float64),
        ("odd_noise", np.float64),
        ("odd_before", np.float64),  # the value before it
        ("odd_flags", np.int32),
        ("trailing", np.int32),  # 1: one reading, and the tail in the next one, are all that opened it
        ("odd_after", np.float64),  # the value after it
        ("odd_own", np.float32),  # how the stream trembled before it, without the least noise of the settings
        ("peak_common", np.float32),  # what the neighbours were thought to add at the peak
    ]
)

# Of each group of neighbours: what they have in common, and the episode that all of them are in.
GROUP = np.dtype(
    [
        ("common", np.float64),
        ("spread", np.float64),
        ("turn", np.int64),
        ("due", np.int64),  # the turn at which a large group looks anew
        ("at", np.int64),
        ("evidence", np.float64),
        ("rise", np.int64),
        ("revision", np.int64),  # 0: no episode
        ("onset", np.int64),
        ("detected", np.int64),
        ("peak_at", np.int64),
        ("peak", np.float64),  # of what they have in common
        ("peak_background", np.float64),  # and of the datastream that spoke then
        ("peak_noise", np.float64),
        ("told", np.float64),
        ("below", np.int64),
        ("below_since", np.int64),
        ("slot", np.int64),  # the datastream that spoke when it began
    ]
)

# Of each area: where the wind came from last, as an exponential mean over ten minutes of unit vectors.
WIND = np.dtype([("east", np.float64), ("north", np.float64), ("speed", np.float64), ("at", np.int64)])

# Of each observed property.
PARAMETERS = np.dtype(
    [
        ("on", np.float64),  # 0: not detected on
        ("polarity", np.float64),  # -1 where the signal falls when pollution rises
        ("background_rate", np.float64),  # a minute
        ("noise_rate", np.float64),  # a minute
        ("settled", np.float64),  # ms after which a stream no longer learns as fast as a running mean
        ("drift", np.float64),
        ("threshold", np.float64),
        ("clip", np.float64),
        ("unit_rate", np.float64),  # a minute
        ("sure", np.float64),
        ("sure_rate", np.float64),  # a minute
        ("noise_absolute", np.float64),
        ("noise_relative", np.float64),
        ("smallest", np.float64),
        ("smallest_among", np.float64),
        ("freeze", np.float64),
        ("hold", np.float64),
        ("rise_limit", np.float64),
        ("fall_limit", np.float64),
        ("close_seconds", np.float64),
        ("tail", np.float64),
        ("tail_now", np.float64),
        ("odd", np.float64),
        ("fall_speed", np.float64),
        ("share", np.float64),
        ("few_share", np.float64),
        ("lift", np.float64),
        ("spread", np.float64),
        ("moderate", np.float64),  # the excess at which it begins; of the property itself, infinite where it has none
        ("severe", np.float64),
        ("extreme", np.float64),
    ]
)

MAX_RISEN_SLOTS = 8  # neighbours named with a change
CHANGE = np.dtype(
    [
        ("row", np.int64),
        ("change", np.int32),
        ("kind", np.int32),
        ("slot", np.int32),
        ("fresh", np.int32),  # neighbours that spoke lately
        ("risen", np.int32),  # those of them that rose too
        ("who", np.int32, (MAX_RISEN_SLOTS,)),
        ("stream", STREAM),
        ("event", EVENT),
        ("group", GROUP),
    ]
)
OPENED, UPDATED, ENDED, VOIDED, MERGED = 1, 2, 3, 4, 5
PEAK, REGIONAL, GLITCH, HUMIDITY, SENSOR = 0, 1, 2, 3, 4


class StateArrays(NamedTuple):
    """All that is remembered: streams (m,) STREAM, events (m,) EVENT, groups (k,) GROUP, winds (areas,) WIND."""

    streams: NDArray[np.void]
    events: NDArray[np.void]
    groups: NDArray[np.void]
    winds: NDArray[np.void]


class Topology(NamedTuple):
    """Who stands where, as in `neighbours.Neighbourhoods`."""

    group_of: NDArray[np.int32]
    members: NDArray[np.int32]
    offsets: NDArray[np.int64]
    property_of: NDArray[np.int32]
    area_of: NDArray[np.int32]
    twin_of: NDArray[np.int32]


class KernelRows(NamedTuple):
    """Readings in their order: slots, at (ms), value, flags (n,); wind (n, 3) or (0, 3), east, north, speed."""

    slots: NDArray[np.int32]
    at: NDArray[np.int64]
    value: NDArray[np.float64]
    flags: NDArray[np.int32]
    wind: NDArray[np.float32]


def allocate_aligned(count: int, dtype: np.dtype[np.void]) -> NDArray[np.void]:
    """(count,) zeros whose first byte begins a line of the cache."""
    raw = np.zeros(count * dtype.itemsize + 64, np.uint8)
    begin = -raw.ctypes.data % 64
    return raw[begin : begin + count * dtype.itemsize].view(dtype)


def copy_records(records: NDArray[np.void]) -> NDArray[np.void]:
    """The same in memory of its own, aligned."""
    copies = allocate_aligned(len(records), records.dtype)
    view_bytes(copies)[:] = view_bytes(records)
    return copies


def view_bytes(records: NDArray[np.void]) -> NDArray[np.uint8]:
    """The same memory as (n, bytes of a record): numpy copies records field by field, and bytes at once."""
    return records.view(np.uint8).reshape(len(records), records.dtype.itemsize)
