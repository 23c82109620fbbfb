"""Records of changes."""

from typing import Any

from numba import njit


@njit(nogil=True, cache=True, error_model="numpy")
def write_change(change: Any, row: int, change_code: int, kind: int, slot: int, s: Any, e: Any, g: Any) -> None:
    """Write a change of the datastream of a slot: s STREAM, e EVENT, g GROUP. Neighbours are added later."""
    change.row = row
    change.change_code = change_code
    change.kind = kind
    change.slot = slot
    change.stream = s
    change.event = e
    change.group = g
    change.no_data = 0
    change.outlier = 0
    change.fresh_neighbours = 0
    change.risen_neighbours = 0
    change.named_neighbours = 0
    change.neighbour_window_ms = 0
