"""Coordinates in RD, against known places and there and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.features.projections import from_rd, to_rd


@pytest.mark.parametrize(
    ("longitude", "latitude", "x", "y"),
    [
        (5.38720621, 52.15517440, 155_000.0, 463_000.0),  # the tower of Amersfoort, the origin
        (4.88352559, 52.37453253, 120_700.723, 487_525.502),  # the Westertoren of Amsterdam, RDNAP's example
    ],
)
async def test_rd_coordinates_are_right_at_published_places(longitude, latitude, x, y):
    assert to_rd(longitude, latitude) == pytest.approx((x, y), abs=1.0)


@given(st.floats(3.4, 7.2), st.floats(50.8, 53.5))
def test_conversion_to_rd_and_back_gives_the_same_position(longitude, latitude):
    assert from_rd(*to_rd(longitude, latitude)) == pytest.approx((longitude, latitude), abs=2e-5)
