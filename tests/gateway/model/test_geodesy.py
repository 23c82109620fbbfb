"""Distances and directions agree with published values and with each other."""

from math import cos, hypot, radians

import pytest

from gateway.model.geodesy import (
    METRES_PER_DEGREE,
    bearing_and_distance,
    bearing_degrees,
    mean_direction,
    offset_metres,
)

AMSTERDAM, UTRECHT = (52.3791, 4.9003), (52.0893, 5.1103)


def test_the_great_circle_between_two_stations() -> None:
    """Haversine with the mean radius gives 35.3 km; the direction is south-east."""
    bearing, distance = bearing_and_distance(*AMSTERDAM, *UTRECHT)
    assert distance == pytest.approx(35_250, rel=0.005)
    assert bearing == pytest.approx(156, abs=1)


def test_one_degree_of_latitude_is_the_same_on_the_plane_and_on_the_sphere() -> None:
    """The plane's constant is that of the sphere, rounded to a metre."""
    assert bearing_and_distance(52, 5, 53, 5) == (pytest.approx(0), pytest.approx(METRES_PER_DEGREE, rel=1e-5))


def test_the_plane_is_right_to_a_percent_within_25_km() -> None:
    """East and north of the offset give the great circle's bearing and distance."""
    for latitude, longitude in ((52.5, 5.1), (51.9, 4.9), (52.0, 5.3), (52.1, 4.7)):
        bearing, distance = bearing_and_distance(52, 5, latitude, longitude)
        east, north = offset_metres(52, 5, latitude, longitude)
        if distance <= 25_000:
            assert hypot(east, north) == pytest.approx(distance, rel=0.01)
            assert bearing_degrees(east, north) == pytest.approx(bearing, abs=1)


def test_the_offset_is_the_difference_in_degrees_times_the_metres_per_degree() -> None:
    """East is scaled by the cosine of the first place's latitude."""
    east, north = offset_metres(52, 5, 52.1, 5.1)
    assert east == pytest.approx(0.1 * 111_195 * cos(radians(52)))
    assert north == pytest.approx(0.1 * 111_195)


@pytest.mark.parametrize(("east", "north", "degrees"), [(0, 1, 0), (1, 0, 90), (0, -1, 180), (-1, 0, 270)])
def test_directions_count_clockwise_from_north(east: float, north: float, degrees: float) -> None:
    """The four points of the compass."""
    assert bearing_degrees(east, north) == pytest.approx(degrees)


def test_the_mean_of_directions_on_both_sides_of_north_is_north() -> None:
    """An arithmetic mean would give 180."""
    assert (mean_direction([359.0, 1.0]) + 180) % 360 == pytest.approx(180)
    assert mean_direction([80.0, 100.0]) == pytest.approx(90)
