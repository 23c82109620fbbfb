"""The outline of a region of grid cells as polygons. Pure."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Point = tuple[int, int]  # (column, row) of a corner: cell (c, r) has the corners (c, r) to (c + 1, r + 1)
Ring = list[Point]  # without the first point at its end; the region lies to the left


def trace_outline(region: NDArray[np.bool_]) -> list[list[Ring]]:
    """Return the polygons of a region (rows, columns): the outer ring of each, counter-clockwise, then its holes.

    Rows run north. Cells that touch at a corner only are separate polygons.
    """
    rings = _chain(_list_edges(region))
    outer = sorted((ring for ring in rings if _area(ring) > 0), key=_area)
    polygons = [[ring] for ring in outer]
    for hole in (ring for ring in rings if _area(ring) < 0):
        point = _cell_beside(hole)
        next(polygon for polygon in polygons if contains(polygon[:1], *point)).append(hole)
    return polygons


def contains(rings: Iterable[Sequence[Sequence[float]]], xs: ArrayLike, ys: ArrayLike) -> NDArray[np.bool_]:
    """Return whether the points lie inside, by the even-odd rule: a ring within another one is a hole.

    rings: of points (x, y), open; the result has the shape of `xs` and `ys`.
    """
    x, y = np.asarray(xs, dtype=np.float64), np.asarray(ys, dtype=np.float64)
    inside = np.zeros(x.shape, dtype=np.bool_)
    for ring in rings:
        for (x1, y1), (x2, y2) in zip(ring, [*ring[1:], ring[0]], strict=True):
            if y1 != y2:
                inside ^= ((y < y1) != (y < y2)) & (x < x1 + (y - y1) * (x2 - x1) / (y2 - y1))
    return inside


def _list_edges(region: NDArray[np.bool_]) -> dict[Point, list[Point]]:
    """Every side of a cell without a neighbour, as start -> ends, with the cell to its left."""
    padded = np.pad(region, 1)
    edges: dict[Point, list[Point]] = {}
    for row, column in np.argwhere(region):
        r, c = int(row), int(column)
        sides = (
            (padded[r, c + 1], (c, r), (c + 1, r)),
            (padded[r + 1, c + 2], (c + 1, r), (c + 1, r + 1)),
            (padded[r + 2, c + 1], (c + 1, r + 1), (c, r + 1)),
            (padded[r + 1, c], (c, r + 1), (c, r)),
        )
        for has_neighbour, start, end in sides:
            if not has_neighbour:
                edges.setdefault(start, []).append(end)
    return edges


def _chain(edges: dict[Point, list[Point]]) -> list[Ring]:
    rings = []
    while edges:
        first = next(iter(edges))
        ring = [first]
        at, heading = _follow(edges, first, None)
        while at != first:
            ring.append(at)
            at, heading = _follow(edges, at, heading)
        rings.append(_drop_straight(ring))
    return rings


def _follow(edges: dict[Point, list[Point]], start: Point, heading: Point | None) -> tuple[Point, Point]:
    """Take the edge from `start`; of two the one to the left, which stays at the same cell."""
    ends = edges[start]
    left = None if heading is None else (start[0] - heading[1], start[1] + heading[0])
    end = left if left in ends else ends[0]
    ends.remove(end)
    if not ends:
        del edges[start]
    return end, (end[0] - start[0], end[1] - start[1])


def _drop_straight(ring: Ring) -> Ring:
    """Only the corners at which the ring turns."""
    turns = []
    for before, at, after in zip([ring[-1], *ring[:-1]], ring, [*ring[1:], ring[0]], strict=True):
        if (at[0] - before[0]) * (after[1] - at[1]) != (at[1] - before[1]) * (after[0] - at[0]):
            turns.append(at)
    return turns


def _area(ring: Sequence[Point]) -> float:
    following = [*ring[1:], ring[0]]
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(ring, following, strict=True)) / 2


def _cell_beside(ring: Ring) -> tuple[float, float]:
    """The centre of the cell to the left of the first edge."""
    (x1, y1), (x2, y2) = ring[0], ring[1]
    length = abs(x2 - x1) + abs(y2 - y1)
    dx, dy = (x2 - x1) / length, (y2 - y1) / length
    return x1 + dx / 2 - dy / 2, y1 + dy / 2 + dx / 2
