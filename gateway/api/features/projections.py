"""Coordinate systems of the map faces: their names, order of axes, and conversion from and to CRS84. Pure.

RD (EPSG:28992) by the polynomials of Schreutelkamp and Strang van Hees (Geodesia 43, 2001, pages 64 to 69): within a
metre of RDNAPTRANS in the Netherlands. Published positions are rounded to a hundred metres.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Position = tuple[float, float]
_LATITUDE_0, _LONGITUDE_0, _X_0, _Y_0 = 52.15517440, 5.38720621, 155_000.0, 463_000.0  # Amersfoort
_MERCATOR_RADIUS = 6_378_137.0
_MAX_MERCATOR_LATITUDE = 85.06

# (power of latitude, power of longitude, coefficient)
_TO_X = ((0, 1, 190094.945), (1, 1, -11832.228), (2, 1, -114.221), (0, 3, -32.391), (1, 0, -0.705), (3, 1, -2.340),
         (1, 3, -0.608), (0, 2, -0.008), (2, 3, 0.148))  # fmt: skip
_TO_Y = ((1, 0, 309056.544), (0, 2, 3638.893), (2, 0, 73.077), (1, 2, -157.984), (3, 0, 59.788), (0, 1, 0.433),
         (2, 2, -6.439), (1, 1, -0.032), (0, 4, 0.092), (1, 4, -0.054))  # fmt: skip
# (power of x, power of y, coefficient)
_TO_LATITUDE = ((0, 1, 3235.65389), (2, 0, -32.58297), (0, 2, -0.24750), (2, 1, -0.84978), (0, 3, -0.06550),
                (2, 2, -0.01709), (1, 0, -0.00738), (4, 0, 0.00530), (2, 3, -0.00039), (4, 1, 0.00033),
                (1, 1, -0.00012))  # fmt: skip
_TO_LONGITUDE = ((1, 0, 5260.52916), (1, 1, 105.94684), (1, 2, 2.45656), (3, 0, -0.81885), (1, 3, 0.05594),
                 (3, 1, -0.05607), (0, 1, 0.01199), (3, 2, -0.00256), (1, 4, 0.00128), (0, 2, 0.00022),
                 (2, 0, -0.00022), (5, 0, 0.00026))  # fmt: skip


def to_rd(longitude: float, latitude: float) -> Position:
    """Metres east and north in RD."""
    a, b = 0.36 * (latitude - _LATITUDE_0), 0.36 * (longitude - _LONGITUDE_0)
    return _X_0 + _evaluate(_TO_X, a, b), _Y_0 + _evaluate(_TO_Y, a, b)


def from_rd(x: float, y: float) -> Position:
    """Longitude and latitude of a position in RD."""
    a, b = (x - _X_0) * 1e-5, (y - _Y_0) * 1e-5
    return _LONGITUDE_0 + _evaluate(_TO_LONGITUDE, a, b) / 3600, _LATITUDE_0 + _evaluate(_TO_LATITUDE, a, b) / 3600


def _evaluate(terms: Sequence[tuple[int, int, float]], a: float, b: float) -> float:
    return math.fsum(coefficient * a**p * b**q for p, q, coefficient in terms)


def to_mercator(longitude: float, latitude: float) -> Position:
    """Metres in Web Mercator."""
    bounded = max(-_MAX_MERCATOR_LATITUDE, min(_MAX_MERCATOR_LATITUDE, latitude))
    return (
        math.radians(longitude) * _MERCATOR_RADIUS,
        math.log(math.tan(math.pi / 4 + math.radians(bounded) / 2)) * _MERCATOR_RADIUS,
    )


def from_mercator(x: float, y: float) -> Position:
    """Longitude and latitude of a position in Web Mercator."""
    latitude = 2 * math.atan(math.exp(max(-10.0, min(10.0, y / _MERCATOR_RADIUS)))) - math.pi / 2
    return math.degrees(x / _MERCATOR_RADIUS), math.degrees(latitude)


def _keep(x: float, y: float) -> Position:
    return x, y


@dataclass(frozen=True, kw_only=True)
class Projection:
    """A coordinate system. `project` and `unproject` work in the order x, y; `is_swapped`: its axes are y, x.

    decimals  of its coordinates, so that they are no finer than the published position
    bounds    in x, y: the Netherlands
    """

    uri: str
    code: str
    project: Callable[[float, float], Position]
    unproject: Callable[[float, float], Position]
    decimals: int
    bounds: tuple[float, float, float, float]
    is_swapped: bool = False

    def write(self, longitude: float, latitude: float) -> list[float]:
        """The coordinates of a position in the order of the axes."""
        x, y = (round(value, self.decimals) for value in self.project(longitude, latitude))
        return [y, x] if self.is_swapped else [x, y]

    def read_box(self, numbers: Sequence[float]) -> tuple[float, float, float, float]:
        """The box of four numbers in the order of the axes, as (west, south, east, north) in degrees."""
        a, b, c, d = numbers
        corners = ((b, a), (d, c)) if self.is_swapped else ((a, b), (c, d))
        (left, bottom), (right, top) = corners
        points = [self.unproject(x, y) for x in (left, right) for y in (bottom, top)]
        longitudes, latitudes = zip(*points, strict=True)
        return min(longitudes), min(latitudes), max(longitudes), max(latitudes)


_EPSG = "http://www.opengis.net/def/crs/EPSG/0/"
_DEGREES = (3.2, 50.7, 7.3, 53.7)
CRS84 = Projection(
    uri="http://www.opengis.net/def/crs/OGC/1.3/CRS84",
    code="CRS:84",
    project=_keep,
    unproject=_keep,
    decimals=3,
    bounds=_DEGREES,
)
RD = Projection(
    uri=f"{_EPSG}28992",
    code="EPSG:28992",
    project=to_rd,
    unproject=from_rd,
    decimals=0,
    bounds=(0.0, 300_000.0, 290_000.0, 630_000.0),
)
MERCATOR = Projection(
    uri=f"{_EPSG}3857",
    code="EPSG:3857",
    project=to_mercator,
    unproject=from_mercator,
    decimals=0,
    bounds=(350_000.0, 6_560_000.0, 820_000.0, 7_130_000.0),
)
WGS84 = Projection(
    uri=f"{_EPSG}4326",
    code="EPSG:4326",
    project=_keep,
    unproject=_keep,
    decimals=3,
    bounds=_DEGREES,
    is_swapped=True,
)
PROJECTIONS: Mapping[str, Projection] = {p.uri: p for p in (CRS84, WGS84, RD, MERCATOR)}
BY_CODE: Mapping[str, Projection] = {p.code: p for p in (CRS84, WGS84, RD, MERCATOR)}
