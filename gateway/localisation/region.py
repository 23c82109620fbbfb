"""The region of places that a plume may have come from, on a grid. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.localisation.evidence import PlumeEvidence, Series
from gateway.localisation.outline import contains
from gateway.localisation.rose import DEGREES, RoseParameters, build_rose

_VANE_STEP = 5  # degrees between the errors of a vane that are tried
_VANE_LIMIT = 2.5  # standard deviations


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Square cells; `easts` (columns,) and `norths` (rows,) are their centres, `cell` their side; metres."""

    easts: Series
    norths: Series
    cell: float

    @property
    def cell_area(self) -> float:
        """Square metres."""
        return self.cell * self.cell

    def corner(self, column: int, row: int) -> tuple[float, float]:
        """Metres (east, north) of the lower left corner of a cell; also of the one after the last cell."""
        return float(self.easts[0]) + (column - 0.5) * self.cell, float(self.norths[0]) + (row - 0.5) * self.cell


def build_grid(left: float, bottom: float, right: float, top: float, cell: float) -> Grid:
    """Return the grid whose cells of `cell` metres cover the rectangle from its lower left corner. All in metres."""
    columns, rows = max(1, math.ceil((right - left) / cell)), max(1, math.ceil((top - bottom) / cell))
    easts: Series = left + cell * (np.arange(columns, dtype=np.float64) + 0.5)
    norths: Series = bottom + cell * (np.arange(rows, dtype=np.float64) + 0.5)
    return Grid(easts=easts, norths=norths, cell=cell)


def compute_probabilities(evidence: PlumeEvidence, grid: Grid, p: RoseParameters) -> NDArray[np.float64]:
    """Return the probability of each cell, (rows, columns). Their sum is 1.

    Before the evidence all cells are equally probable.
    """
    bearings, roses = [], []
    for station in evidence.stations:
        east, north = grid.easts[None, :] - station.east, grid.norths[:, None] - station.north
        bearings.append(np.rint(np.degrees(np.arctan2(east, north))).astype(np.int64))
        roses.append(build_rose(station, evidence.wind, evidence.threshold, evidence.interval, p))
    layers = []
    limit = int(_VANE_LIMIT * p.vane_error) // _VANE_STEP * _VANE_STEP
    for error in range(-limit, limit + 1, _VANE_STEP):
        prior = -0.5 * (error / p.vane_error) ** 2 if error else 0.0
        layer = np.full((len(grid.norths), len(grid.easts)), prior)
        for bearing, rose in zip(bearings, roses, strict=True):
            layer += rose[(bearing + error) % DEGREES]
        layers.append(layer)
    stack = np.stack(layers)
    weights = np.exp(stack - stack.max()).sum(axis=0)
    probabilities: NDArray[np.float64] = weights / weights.sum()
    return probabilities


def select_region(probabilities: NDArray[np.float64], share: float) -> NDArray[np.bool_]:
    """Return the smallest set of cells, (rows, columns), that holds at least `share` of the probability."""
    ordered = np.sort(probabilities, axis=None)[::-1]
    last = min(int(np.searchsorted(np.cumsum(ordered), share)), ordered.size - 1)
    region: NDArray[np.bool_] = probabilities >= ordered[last]
    return region


def sum_inside(probabilities: NDArray[np.float64], grid: Grid, outlines: Sequence[Sequence[Sequence[float]]]) -> float:
    """Return the probability of the cells whose centres lie in a polygon.

    outlines: rings of [east, north] in metres; a point in a hole, which is a second ring, is outside.
    """
    inside = contains(outlines, *np.meshgrid(grid.easts, grid.norths))
    return float(probabilities[inside].sum())
