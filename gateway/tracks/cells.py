"""Cells of 50 m, and how often a vehicle passed through them. Pure.

A cell is a rectangle of 50 m by 50 m at its latitude. Rows count from the equator; the cells of a row count from
Greenwich, so that the number of a cell never changes and needs no map projection.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.model.geodesy import METRES_PER_DEGREE
from gateway.tracks.positions import FloatColumn, Positions

CELL_METRES = 50.0
MIN_DAYS = 4  # fewer days show the day rather than the place
_SAME_PASS_MS = 300_000  # a vehicle that returns within five minutes, as at an edge, passes once
_ROW_DEGREES = CELL_METRES / METRES_PER_DEGREE


@dataclass(frozen=True, kw_only=True)
class CellPass:
    """One passage through a cell: its begin in ms UTC, its number of readings, and the mean of the valid values."""

    north: int
    east: int
    began_ms: int
    readings: int
    mean: float
    background: float | None


def number_cells(positions: Positions) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (north, east) of the cell of each position, two arrays (n,)."""
    north = np.floor(positions.latitude / _ROW_DEGREES).astype(np.int64)
    return north, np.floor(positions.longitude / _column_degrees(north)).astype(np.int64)


def _column_degrees(north: NDArray[np.int64]) -> FloatColumn:
    """Degrees of longitude that are 50 m in the middle of a row."""
    middle = np.radians((north + 0.5) * _ROW_DEGREES)
    width: FloatColumn = _ROW_DEGREES / np.maximum(np.cos(middle), 1e-6)
    return width


def outline_cell(north: int, east: int) -> list[list[float]]:
    """Return the closed ring of a cell: five pairs of longitude and latitude in degrees, anticlockwise."""
    south, width = north * _ROW_DEGREES, float(_column_degrees(np.array([north]))[0])
    top, west, right = (north + 1) * _ROW_DEGREES, east * width, (east + 1) * width
    ring = [[west, south], [right, south], [right, top], [west, top], [west, south]]
    return [[round(longitude, 6), round(latitude, 6)] for longitude, latitude in ring]


def find_passes(
    positions: Positions, values: FloatColumn, background: FloatColumn, average: Callable[[list[float]], float]
) -> Iterator[CellPass]:
    """Yield the passes of a track through its cells, cell by cell.

    values      (n,) of one property; NaN: none, or one that does not count
    background  (n,) of the same; NaN: none
    average     the averaging rule of the property
    """
    is_valid = np.isfinite(values)
    chosen, values, background = positions[is_valid], values[is_valid], background[is_valid]
    if not len(chosen):
        return
    north, east = number_cells(chosen)
    order = np.lexsort((chosen.times, east, north))
    times = chosen.times[order]
    is_new = np.ones(len(order), np.bool_)
    same_cell = (np.diff(north[order]) == 0) & (np.diff(east[order]) == 0)
    is_new[1:] = ~same_cell | (np.diff(times) > _SAME_PASS_MS)
    starts = np.flatnonzero(is_new).tolist()
    for start, end in zip(starts, [*starts[1:], len(order)], strict=True):
        rows = order[start:end]
        level = average(background[rows][np.isfinite(background[rows])].tolist())
        yield CellPass(
            north=int(north[rows[0]]),
            east=int(east[rows[0]]),
            began_ms=int(times[start]),
            readings=end - start,
            mean=average(values[rows].tolist()),
            background=None if math.isnan(level) else level,
        )
