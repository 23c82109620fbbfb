"""Which values count: not null, no excluded flag, within a physical bound. Pure; every layer above uses it.

The classes of flags are those of `edge_agent.wire`. The database has the same rule as SQL functions
(`gateway.store.validity`); a test holds the two equal.
"""

import numpy as np
from numpy.typing import NDArray

from edge_agent.wire import EXCLUDED_FLAGS, UNDATED_FLAGS, Flag
from gateway.model.observation import FlagArray, FloatArray

EXCLUDED_MASK = int(EXCLUDED_FLAGS)
UNDATED_MASK = int(UNDATED_FLAGS)
# No instrument measures more in any unit of the registry; sums of so small values cannot overflow.
LARGEST_MAGNITUDE = 1e9
_OUT_OF_RANGE = int(Flag.OUT_OF_RANGE)


def mark_impossible(value: float | None, flags: int) -> int:
    """Return the flags, with out_of_range if the value is beyond every physical bound or not a number."""
    if value is None or -LARGEST_MAGNITUDE <= value <= LARGEST_MAGNITUDE:
        return flags
    return flags | _OUT_OF_RANGE


def is_excluded(flags: int) -> bool:
    """Whether a value with these flags counts nowhere."""
    return bool(flags & EXCLUDED_MASK)


def is_undated(flags: int) -> bool:
    """Whether the time of a value with these flags is not believed."""
    return bool(flags & UNDATED_MASK)


def valid_value(value: float | None, flags: int) -> float | None:
    """Return the value if it counts, else None."""
    return None if is_excluded(mark_impossible(value, flags)) else value


def find_valid(value: FloatArray, flags: FlagArray) -> NDArray[np.bool_]:
    """Return which of n values count: shape (n,). NaN and infinity do not."""
    counts: NDArray[np.bool_] = (np.abs(value) <= LARGEST_MAGNITUDE) & ((flags & EXCLUDED_MASK) == 0)
    return counts
