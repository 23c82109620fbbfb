"""Polygons of jurisdictions, from GeoJSON or WKT, in degrees WGS 84 with the longitude first. Pure.

A point on an edge may count as inside or outside: neither borders nor public positions are exact to the metre.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any

from msgspec import DecodeError, json

from alerting.errors import SettingsError

Position = tuple[float, float]
Ring = tuple[Position, ...]
Edge = tuple[float, float, float, float]  # low and high latitude, longitude at the low one, change per degree

_MAX_SLICES = 1_024
_MIN_HEIGHT = 1e-9  # degrees, a tenth of a millimetre

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_WKT = re.compile(r"\s*(?:SRID=4326;)?\s*(POLYGON|MULTIPOLYGON)\s*(\(.*\))\s*", re.IGNORECASE | re.DOTALL)
_RING = re.compile(r"\(([^()]*)\)")
_PAIR = re.compile(rf"\s*({_NUMBER})\s+({_NUMBER})(?:\s+{_NUMBER})*\s*")


class Polygon:
    """One or more polygons; rings after the first are holes, by the even-odd rule.

    Edges are indexed by the slices of latitude that they cross, so that a coast of thousands of corners costs no
    more than a square.
    """

    def __init__(self, rings: Sequence[Ring]) -> None:
        longitudes, latitudes = zip(*(position for ring in rings for position in ring), strict=True)
        self._west, self._east = min(longitudes), max(longitudes)
        self._south, self._north = min(latitudes), max(latitudes)
        edges = [edge for ring in rings for edge in zip(ring, (*ring[1:], ring[0]), strict=True)]
        self._last_slice = min(len(edges), _MAX_SLICES) - 1
        height = self._north - self._south
        self._slices_per_degree = self._last_slice / height if height > _MIN_HEIGHT else 0.0
        self._slices: list[list[Edge]] = [[] for _ in range(self._last_slice + 1)]
        for start, end in edges:
            (x1, y1), (x2, y2) = sorted((start, end), key=itemgetter(1))
            if y1 != y2:  # a ray to the east never crosses an edge that runs from west to east
                for number in range(self._slice_index(y1), self._slice_index(y2) + 1):
                    self._slices[number].append((y1, y2, x1, (x2 - x1) / (y2 - y1)))

    def contains(self, latitude: float, longitude: float) -> bool:
        """Return whether the point is inside."""
        if not (self._west <= longitude <= self._east and self._south <= latitude <= self._north):
            return False
        inside = False
        for low, high, at_low, per_degree in self._slices[self._slice_index(latitude)]:
            if low <= latitude < high and longitude < at_low + (latitude - low) * per_degree:
                inside = not inside
        return inside

    def _slice_index(self, latitude: float) -> int:
        return int((latitude - self._south) * self._slices_per_degree)


def parse(geometry: str | dict[str, Any]) -> Polygon:
    """WKT, GeoJSON text or a GeoJSON table -> Polygon. Raises SettingsError in one sentence."""
    if isinstance(geometry, str) and geometry.lstrip()[:1] != "{":
        return _build_polygon(_from_wkt(geometry))
    try:
        table = json.decode(geometry) if isinstance(geometry, str) else geometry
        return _build_polygon(_from_geojson(table))
    except (DecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, SettingsError):
            raise
        raise SettingsError(f"no GeoJSON polygon ({type(error).__name__}: {error})") from None


def _from_geojson(table: dict[str, Any]) -> list[Ring]:
    match table["type"]:
        case "FeatureCollection":
            return [ring for feature in table["features"] for ring in _from_geojson(feature)]
        case "Feature":
            return _from_geojson(table["geometry"])
        case "Polygon":
            return list(_iter_rings(table["coordinates"]))
        case "MultiPolygon":
            return [ring for polygon in table["coordinates"] for ring in _iter_rings(polygon)]
        case kind:
            raise SettingsError(f"a {kind!r} has no area: give a Polygon or a MultiPolygon")


def _iter_rings(coordinates: Iterable[Iterable[Sequence[float]]]) -> Iterator[Ring]:
    for ring in coordinates:
        yield tuple((float(position[0]), float(position[1])) for position in ring)


def _from_wkt(text: str) -> list[Ring]:
    match = _WKT.fullmatch(text)
    if match is None:
        raise SettingsError("no polygon: write GeoJSON, or WKT such as POLYGON((4 52, 5 52, 5 53, 4 52))")
    rings = []
    for ring_text in _RING.findall(match[2]):
        pairs = [_PAIR.fullmatch(pair) for pair in ring_text.split(",")]
        positions = [(float(pair[1]), float(pair[2])) for pair in pairs if pair is not None]
        if len(positions) != len(pairs):
            raise SettingsError("no polygon: a position in WKT is a longitude, a space and a latitude")
        rings.append(tuple(positions))
    return rings


def _build_polygon(rings: list[Ring]) -> Polygon:
    if not rings or any(len(ring) < 4 or ring[0] != ring[-1] for ring in rings):
        raise SettingsError("no polygon: each ring has four positions or more, and ends where it began")
    for longitude, latitude in (position for ring in rings for position in ring):
        if not (-180 <= longitude <= 180 and -90 <= latitude <= 90):
            raise SettingsError(f"({longitude:g}, {latitude:g}) is no longitude and latitude in degrees")
    return Polygon(tuple(rings))
