"""Distances and directions on the earth: bearing, distance, plane offset, circular mean. Pure; nothing here fails.

Latitudes, longitudes and directions are in degrees, distances in metres. A direction counts clockwise from north and
lies in [0, 360). Detection, alert mapping and the API compute with these functions, so that they agree.
"""

import math
from collections.abc import Iterable

METRES_PER_DEGREE = 111_195.0  # metres of a degree of latitude on a sphere of 6,371 km
_EARTH_RADIUS = 6_371_008.8  # metres, mean radius (IUGG)


def bearing_and_distance(
    latitude: float, longitude: float, other_latitude: float, other_longitude: float
) -> tuple[float, float]:
    """Degrees from north and metres from the first place to the other, along the great circle."""
    lat_1, lat_2 = math.radians(latitude), math.radians(other_latitude)
    longitude_difference = math.radians(other_longitude - longitude)
    north = math.cos(lat_1) * math.sin(lat_2) - math.sin(lat_1) * math.cos(lat_2) * math.cos(longitude_difference)
    east = math.sin(longitude_difference) * math.cos(lat_2)
    cos_distance = math.sin(lat_1) * math.sin(lat_2) + math.cos(lat_1) * math.cos(lat_2) * math.cos(
        longitude_difference
    )
    return direction(east, north), _EARTH_RADIUS * math.atan2(math.hypot(east, north), cos_distance)


def plane_offset(
    latitude: float, longitude: float, other_latitude: float, other_longitude: float
) -> tuple[float, float]:
    """Metres east and north from the first place to the other, on a plane: right to a percent within 25 km."""
    east = (other_longitude - longitude) * METRES_PER_DEGREE * math.cos(math.radians(latitude))
    return east, (other_latitude - latitude) * METRES_PER_DEGREE


def direction(east: float, north: float) -> float:
    """Direction of a vector, degrees from north."""
    return math.degrees(math.atan2(east, north)) % 360


def mean_direction(directions: Iterable[float]) -> float:
    """Circular mean, degrees from north: the mean of 359 and 1 is 0."""
    angles = [math.radians(value) for value in directions]
    return direction(math.fsum(map(math.sin, angles)), math.fsum(map(math.cos, angles)))
