"""One reading with what the detector computed from it."""

from typing import NamedTuple


class ScoredRow(NamedTuple):
    """One reading with the values that `detect_rows` computed from it.

    previous_cusum  C before this reading
    previous_x      the reading before, relative to today's background
    min_excess      an event needs a larger excess
    """

    row: int
    slot: int
    at: int
    x: float
    flags: int
    level: float
    noise: float
    excess: float
    z: float
    previous_cusum: float
    previous_x: float
    has_twin: bool
    min_excess: float
