"""The sector downwind of a station with a peak, as on the live map (static/wind.js). Pure.

It is geometry, no model of dispersion: the way of the air in fifteen minutes with the present wind.
"""

from math import cos, radians, sin

from gateway.api.pages.base_drawing import Project
from gateway.model.geodesy import METRES_PER_DEGREE

_SECONDS = 15 * 60
_MIN_REACH, _MAX_REACH = 700.0, 8_000.0  # m
_HALF_ANGLE = 22.5  # degrees to each side
_STEPS = 12


def build_sector(latitude: float, longitude: float, direction: float, speed: float) -> list[tuple[float, float]]:
    """Corners as (latitude, longitude), the station first. `direction`: that the wind comes from; `speed` in m/s."""
    reach = min(_MAX_REACH, max(_MIN_REACH, speed * _SECONDS))
    corners = [(latitude, longitude)]
    for step in range(_STEPS + 1):
        bearing = radians(direction + 180 - _HALF_ANGLE + step / _STEPS * 2 * _HALF_ANGLE)
        north, east = reach * cos(bearing) / METRES_PER_DEGREE, reach * sin(bearing) / METRES_PER_DEGREE
        corners.append((latitude + north, longitude + east / cos(radians(latitude))))
    return corners


def draw_sector(latitude: float, longitude: float, direction: float, speed: float, project: Project) -> str:
    """The sector as an SVG path."""
    points = [project(lon, lat) for lat, lon in build_sector(latitude, longitude, direction, speed)]
    return '<path class="downwind" d="M' + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + 'Z"/>'
