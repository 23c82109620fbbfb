"""Distances and directions between places on the Earth, WGS 84 degrees. Pure; used by detection, alerts and pages."""

import math
from collections.abc import Iterable

EARTH_RADIUS_METRES = 6_371_008.8  # mean radius (IUGG)
METRES_PER_DEGREE = 111_195.0  # of latitude, on a sphere of that radius


def bearing_degrees(east: float, north: float) -> float:
    """Return the direction of a vector in degrees from north, clockwise, in [0, 360)."""
    return math.degrees(math.atan2(east, north)) % 360


def mean_direction(directions: Iterable[float]) -> float:
    """Return the circular mean in degrees from north: the mean of 359 and 1 is 0."""
    angles = [math.radians(value) for value in directions]
    return bearing_degrees(math.fsum(map(math.sin, angles)), math.fsum(map(math.cos, angles)))


def offset_metres(latitude: float, longitude: float, to_latitude: float, to_longitude: float) -> tuple[float, float]:
    """Return (east, north) in metres on a plane; right to a percent within some tens of kilometres."""
    north = (to_latitude - latitude) * METRES_PER_DEGREE
    east = (to_longitude - longitude) * METRES_PER_DEGREE * math.cos(math.radians(latitude))
    return east, north


def bearing_and_distance(
    latitude: float, longitude: float, to_latitude: float, to_longitude: float
) -> tuple[float, float]:
    """Return degrees from north and metres along the great circle."""
    lat_1, lat_2 = math.radians(latitude), math.radians(to_latitude)
    difference = math.radians(to_longitude - longitude)
    north = math.cos(lat_1) * math.sin(lat_2) - math.sin(lat_1) * math.cos(lat_2) * math.cos(difference)
    east = math.sin(difference) * math.cos(lat_2)
    cosine = math.sin(lat_1) * math.sin(lat_2) + math.cos(lat_1) * math.cos(lat_2) * math.cos(difference)
    return bearing_degrees(east, north), EARTH_RADIUS_METRES * math.atan2(math.hypot(east, north), cosine)
