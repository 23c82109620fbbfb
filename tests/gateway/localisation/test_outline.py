"""Outlines hold exactly the cells of their region."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from gateway.localisation.outline import trace_outline


def is_inside(rings, x, y):
    """Even-odd rule over all rings of a polygon."""
    crossings = 0
    for ring in rings:
        for (x1, y1), (x2, y2) in zip(ring, [*ring[1:], ring[0]], strict=True):
            crossings += (y < y1) != (y < y2) and x < x1 + (y - y1) * (x2 - x1) / (y2 - y1)
    return crossings % 2 == 1


@given(arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.booleans()))
def test_each_cell_of_the_region_lies_in_one_polygon_and_no_other_cell_does(region):
    polygons = trace_outline(region)
    for (row, column), expected in np.ndenumerate(region):
        holders = sum(is_inside(rings, column + 0.5, row + 0.5) for rings in polygons)
        assert holders == int(expected)


def test_a_ring_has_a_hole_and_an_island_is_a_polygon_of_its_own():
    region = np.ones((7, 7), dtype=bool)
    region[1:6, 1:6] = False
    region[3, 3] = True
    island, frame = sorted(trace_outline(region), key=len)
    assert island == [[(3, 3), (4, 3), (4, 4), (3, 4)]]
    assert len(frame) == 2
    assert sorted(frame[0]) == [(0, 0), (0, 7), (7, 0), (7, 7)]


def test_nothing_has_no_outline():
    assert trace_outline(np.zeros((3, 4), dtype=bool)) == []
