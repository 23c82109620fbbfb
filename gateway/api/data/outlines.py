"""Boxes around the outlines of areas: what a tile or an archive is compared with. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

Box = tuple[float, float, float, float]


def box_of(outline: Mapping[str, Any]) -> Box | None:
    """West, south, east and north of a GeoJSON geometry, in degrees; None if it has no positions."""
    corners = list(_iterate_positions(outline.get("coordinates", ())))
    if not corners:
        return None
    longitudes, latitudes = [position[0] for position in corners], [position[1] for position in corners]
    return min(longitudes), min(latitudes), max(longitudes), max(latitudes)


def _iterate_positions(coordinates: Sequence[Any]) -> Iterator[Sequence[float]]:
    """Every position in the coordinates of a GeoJSON geometry, at any depth."""
    if coordinates and isinstance(coordinates[0], int | float):
        yield coordinates
        return
    parts: Iterable[Any] = coordinates
    for part in parts:
        yield from _iterate_positions(part)
