"""Records of fixed width that the kernels read and write: state, parameters and changes. Times are ms UTC.

A datastream has two records in two arrays. Every reading touches STREAM, one cache line of 64 bytes; it also holds the
fields that neighbours read. EVENT is used only while a datastream rises. The order of the fields is stored (see
`Detector.dump`): a change of it needs a new detector version.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

STREAM = np.dtype(
    [
        ("at", np.int64),  # last valid reading
        ("residual", np.float64),  # last reading above its background
        ("background", np.float64),
        ("variance", np.float64),
        ("cusum", np.float64),
        ("first_at", np.int64),  # first reading since the background began
        ("gain", np.float32),  # beta
        ("gap_ms", np.int32),  # interval: the last gap, at most twice the one before and one hour; 0: unknown
        ("count", np.int32),  # readings since the background began
        ("revision", np.int16),  # 0: no event is open
        ("outlier_count", np.int16),  # outliers that are not resolved yet
    ]
)

EVENT = np.dtype(
    [
        ("rise_at", np.int64),  # first reading since C was 0
        ("rise_background", np.float64),  # and the background before it
        ("readings", np.int16),  # since the rise, as are the following
        ("humid_readings", np.int16),  # readings in humid air
        ("flags", np.int32),  # any reading's
        ("twin_agreements", np.int16),  # readings that a collocated twin confirms
        ("twin_disagreements", np.int16),
        ("below_count", np.int8),  # readings; of the open event
        ("is_reported", np.int8),  # 0: the open event is a candidate only; DECIDED, UNDECIDED or AWAITED
        ("kind", np.int8),  # of the open event
        ("confirmed_by_tail", np.int8),  # 1: one reading and its tail opened the event
        ("wind_east", np.float32),  # sums of unit vectors the wind comes from; a calm reading adds none
        ("wind_north", np.float32),
        ("wind_speed", np.float32),
        ("wind_readings", np.int16),
        ("log_odds", np.int16),  # thousandths: the judge's highest answer since the candidate began; NOT_JUDGED
        ("onset", np.int64),  # of the open event, as are the following
        ("detected_at", np.int64),
        ("peak_at", np.int64),
        ("below_since", np.int64),  # 0: not below
        ("peak", np.float64),
        ("peak_background", np.float64),
        ("reported_excess", np.float32),  # excess of the last reported revision
        ("restlessness", np.float32),  # share of the last day with an excess, when it was last written
        ("outlier_since", np.int64),  # outlier: a single reading, or readings with an invalid flag
        ("outlier_ms", np.int32),  # from there to the last of them
        ("restless_at", np.uint32),  # s since 1970: when `restlessness` was last written
        ("outlier_peak", np.float64),
        ("outlier_level", np.float64),
        ("outlier_before", np.float32),  # the value before it
        ("outlier_after", np.float32),  # the value after it
        ("outlier_flags", np.int32),
        ("outlier_noise", np.float32),
        ("outlier_own_noise", np.float32),  # noise of the stream before it, without noise_absolute
        ("peak_common", np.float32),  # common mode at the peak
        ("peak_noise", np.float32),
        ("resumed_seconds", np.int32),  # from `first_at` to the first reading after the last silence
        ("rose_at", np.int64),  # first reading of the last rise that stood out; 0: none
        ("rose_ms", np.int32),  # from there to its last reading that stood out
        ("quiet_minutes", np.float32),  # between the onsets of this candidate and the one before it
        ("limit_offset", np.float32),  # log odds: how much the limit of this station is above that of the settings
        ("rose_before_ms", np.int32),  # from the first reading of the rise before to `rose_at`; 0: none
    ]
)

# Of each group of neighbours: common mode, and the episode of the group.
GROUP = np.dtype(
    [
        ("common", np.float64),
        ("spread", np.float64),
        ("reading_count", np.int64),
        ("due_count", np.int64),  # reading_count of the next update in a large group
        ("at", np.int64),
        ("cusum", np.float64),
        ("rise_at", np.int64),
        ("revision", np.int64),  # 0: no episode
        ("onset", np.int64),
        ("detected_at", np.int64),
        ("peak_at", np.int64),
        ("peak", np.float64),  # of the common mode
        ("peak_background", np.float64),  # of the datastream whose reading set the peak
        ("peak_noise", np.float64),
        ("reported_excess", np.float64),
        ("below_count", np.int64),
        ("below_since", np.int64),
        ("slot", np.int64),  # the datastream whose reading opened the episode
        ("silent_at", np.int64),  # no open event of a member is silent before this time; 0: none is open
    ]
)

# Of each area: direction that the wind comes from, an exponential mean over ten minutes of unit vectors.
WIND = np.dtype([("east", np.float64), ("north", np.float64), ("speed", np.float64), ("at", np.int64)])

# Of each observed property.
PARAMETERS = np.dtype(
    [
        ("on", np.float64),  # 0: not detected on
        ("polarity", np.float64),  # -1 if the signal falls when pollution rises
        ("background_rate", np.float64),  # a minute
        ("noise_rate", np.float64),  # a minute
        ("settling_ms", np.float64),  # ms; a younger stream learns as fast as a running mean
        ("drift", np.float64),
        ("threshold", np.float64),
        ("clip", np.float64),
        ("cusum_rate", np.float64),  # a minute
        ("sure", np.float64),
        ("quick", np.float64),
        ("fast_cusum_rate", np.float64),  # a minute
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
        ("light", np.float64),  # lowest excess of the severity, in the unit of the property; infinite if it has none
        ("moderate", np.float64),
        ("severe", np.float64),
        ("extreme", np.float64),
        ("smallest_event", np.float64),  # a candidate may be smaller
        ("event_noise", np.float64),  # `noise_absolute` of an event
        ("judged", np.float64),  # 1: the judge decides which candidate becomes an event
        ("judge_scale", np.float64),  # factor from this property's excess to one of PM2.5
        ("judge_limit", np.float64),  # log odds from which a candidate is an event
        ("judge_limit_large", np.float64),  # the same for an excess of the lowest severity
        ("judge_limit_sure", np.float64),  # the same for an excess of `sure` times the noise
        ("false_rate", np.float64),  # false alarms a day at which a station's limit stays as it is
    ]
)

MAX_RISEN_SLOTS = 8  # neighbours named with a change
CHANGE = np.dtype(
    [
        ("row", np.int64),
        ("change_code", np.int32),
        ("kind", np.int32),
        ("slot", np.int32),
        ("no_data", np.int32),  # 1: it ended because no reading followed
        ("outlier", np.int32),  # 1: it is an outlier, with the facts of `event.outlier_*`
        ("fresh_neighbours", np.int32),  # neighbours with a valid reading at that time
        ("risen_neighbours", np.int32),  # those of them that rose too
        ("named_neighbours", np.int32),  # how many of `risen_slots` are filled in
        ("neighbour_window_ms", np.int64),  # longest time between two rises that counts
        ("risen_slots", np.int32, (MAX_RISEN_SLOTS,)),
        ("stream", STREAM),
        ("event", EVENT),
        ("group", GROUP),
    ]
)
NOT_JUDGED = -32_768
DECIDED, UNDECIDED, AWAITED = 1, 2, 3  # undecided: neighbours rise as well; awaited: their next readings are to come
OPENED, UPDATED, ENDED, VOIDED, MERGED = 1, 2, 3, 4, 5
RENEWED = 6  # the event ends and the next one begins; never written
PEAK, REGIONAL, GLITCH, HUMIDITY, SENSOR = 0, 1, 2, 3, 4


class StateArrays(NamedTuple):
    """State of the detector: streams (m,) STREAM, events (m,) EVENT, groups (k,) GROUP, winds (areas,) WIND."""

    streams: NDArray[np.void]
    events: NDArray[np.void]
    groups: NDArray[np.void]
    winds: NDArray[np.void]


class Topology(NamedTuple):
    """Positions of datastreams in groups, in areas and on the map, as in `neighbours.NeighbourGroups`."""

    group_of: NDArray[np.int32]
    members: NDArray[np.int32]
    offsets: NDArray[np.int64]
    property_of: NDArray[np.int32]
    area_of: NDArray[np.int32]
    twin_of: NDArray[np.int32]
    own_ends: NDArray[np.int64]
    is_guest: NDArray[np.bool_]
    east: NDArray[np.float64]
    north: NDArray[np.float64]


class DecisionTrees(NamedTuple):
    """Decision trees of the judge: roots (trees,), and (nodes,) each: feature (-1: leaf), limit, left, right, value."""

    roots: NDArray[np.int32]
    feature: NDArray[np.int32]
    limit: NDArray[np.float64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: NDArray[np.float64]


class KernelRows(NamedTuple):
    """Readings in their order: slots, at (ms), value, flags (n,); wind (n, 3) or (0, 3), east, north, speed.

    trace  (n, TRACE_COLUMNS) for the features of candidates, to train the judge; (0, 0): not recorded
    """

    slots: NDArray[np.int32]
    at: NDArray[np.int64]
    value: NDArray[np.float64]
    flags: NDArray[np.int32]
    wind: NDArray[np.float32]
    trace: NDArray[np.float64] = np.zeros((0, 0))


def allocate_changes(rows: int, streams: int) -> NDArray[np.void]:
    """Return memory for all changes that `rows` readings can cause; pages that are not written use no memory.

    A reading changes at most its own event, its outlier, its episode and events that were open before it.
    """
    return np.empty(6 * rows + 2 * streams, CHANGE)


def allocate_aligned(count: int, dtype: np.dtype[np.void]) -> NDArray[np.void]:
    """(count,) zeros whose first byte begins a line of the cache."""
    raw = np.zeros(count * dtype.itemsize + 64, np.uint8)
    begin = -raw.ctypes.data % 64
    return raw[begin : begin + count * dtype.itemsize].view(dtype)


def copy_records(records: NDArray[np.void]) -> NDArray[np.void]:
    """Return a copy in aligned memory."""
    copies = allocate_aligned(len(records), records.dtype)
    view_bytes(copies)[:] = view_bytes(records)
    return copies


def view_bytes(records: NDArray[np.void]) -> NDArray[np.uint8]:
    """The same memory as (n, bytes of a record): numpy copies records field by field, and bytes at once."""
    return records.view(np.uint8).reshape(len(records), records.dtype.itemsize)
