"""Polygons of jurisdictions, from GeoJSON or WKT, in degrees WGS 84 with the longitude first. Pure.

A point on an edge may fall either way: borders of jurisdictions are not known to the metre, nor are public positions.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from msgspec import DecodeError, json

from alerting.errors import SettingsError

Position = tuple[float, float]
Ring = tuple[Position, ...]

_MOST = 10_000  # points remembered

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_WKT = re.compile(r"\s*(?:SRID=4326;)?\s*(POLYGON|MULTIPOLYGON)\s*(\(.*\))\s*", re.IGNORECASE | re.DOTALL)
_RING = re.compile(r"\(([^()]*)\)")
_PAIR = re.compile(rf"\s*({_NUMBER})\s+({_NUMBER})(?:\s+{_NUMBER})*\s*")


class Polygon:
    """One or more polygons; in each the rings beyond the first are holes, which the even-odd rule takes care of.

    Stations stay where they are: what was asked before is remembered, so that a thousand jurisdictions cost nothing.
    """

    def __init__(self, rings: Sequence[Ring]) -> None:
        self._rings = rings
        self._known: dict[Position, bool] = {}

    def contains(self, latitude: float, longitude: float) -> bool:
        """Whether the point is inside."""
        point = (longitude, latitude)
        found = self._known.get(point)
        if found is None:
            if len(self._known) >= _MOST:
                self._known.clear()
            found = self._known[point] = self._crossings(point) % 2 == 1
        return found

    def _crossings(self, point: Position) -> int:
        """How many edges a ray to the east crosses."""
        x, y = point
        return sum(
            (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1)
            for ring in self._rings
            for (x1, y1), (x2, y2) in zip(ring, (*ring[1:], ring[0]), strict=True)
        )


def parse(given: str | dict[str, Any]) -> Polygon:
    """WKT, GeoJSON text or a GeoJSON table -> Polygon. Raises SettingsError in one sentence."""
    if isinstance(given, str) and given.lstrip()[:1] != "{":
        return _checked(_from_wkt(given))
    try:
        table = json.decode(given) if isinstance(given, str) else given
        return _checked(_from_geojson(table))
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
            return list(_rings(table["coordinates"]))
        case "MultiPolygon":
            return [ring for polygon in table["coordinates"] for ring in _rings(polygon)]
        case other:
            raise SettingsError(f"a {other!r} encloses nothing: give a Polygon or a MultiPolygon")


def _rings(coordinates: Iterable[Iterable[Sequence[float]]]) -> Iterator[Ring]:
    for ring in coordinates:
        yield tuple((float(position[0]), float(position[1])) for position in ring)


def _from_wkt(text: str) -> list[Ring]:
    match = _WKT.fullmatch(text)
    if match is None:
        raise SettingsError("no polygon: write GeoJSON, or WKT such as POLYGON((4 52, 5 52, 5 53, 4 52))")
    rings = []
    for inner in _RING.findall(match[2]):
        pairs = [_PAIR.fullmatch(pair) for pair in inner.split(",")]
        found = [(float(pair[1]), float(pair[2])) for pair in pairs if pair is not None]
        if len(found) != len(pairs):
            raise SettingsError("no polygon: a position in WKT is a longitude, a space and a latitude")
        rings.append(tuple(found))
    return rings


def _checked(rings: list[Ring]) -> Polygon:
    if not rings or any(len(ring) < 4 or ring[0] != ring[-1] for ring in rings):
        raise SettingsError("no polygon: each ring has four positions or more, and ends where it began")
    for longitude, latitude in (position for ring in rings for position in ring):
        if not (-180 <= longitude <= 180 and -90 <= latitude <= 90):
            raise SettingsError(f"({longitude:g}, {latitude:g}) is no longitude and latitude in degrees")
    return Polygon(tuple(rings))
