"""Filters of Sensor.Community's data API, which stand in the path: `area=52.49,4.59,10&type=SDS011`. Pure.

Raises FilterError with one sentence.
"""

from dataclasses import dataclass

from gateway.api.data.registry import StationRow
from gateway.model.geodesy import bearing_and_distance

COUNTRY = "NL"
SENSOR_TYPE = "Piekwacht"  # other instruments than theirs never have the names of theirs


class FilterError(Exception):
    """The filter cannot be read."""


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Stations in an area (latitude, longitude, metres), in a box, of types, of countries. None: no filter."""

    area: tuple[float, float, float] | None = None
    box: tuple[float, float, float, float] | None = None
    types: frozenset[str] | None = None
    countries: frozenset[str] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether no station can fit."""
        return (self.types is not None and SENSOR_TYPE.lower() not in self.types) or (
            self.countries is not None and COUNTRY.lower() not in self.countries
        )

    def fits(self, station: StationRow) -> bool:
        """Whether a station is in the area and in the box."""
        if self.area is not None:
            latitude, longitude, radius = self.area
            if bearing_and_distance(latitude, longitude, station.latitude, station.longitude)[1] > radius:
                return False
        if self.box is None:
            return True
        south, west, north, east = self.box
        return south <= station.latitude <= north and west <= station.longitude <= east


def parse_filter(text: str) -> Filter:
    """The filter of a path."""
    parts: dict[str, str] = {}
    for part in filter(None, text.strip("/").split("&")):
        name, _, value = part.partition("=")
        if name not in {"area", "box", "type", "country"}:
            raise FilterError(f"unknown filter {name[:40]!r}; there are: area, box, type, country")
        if name in parts:
            raise FilterError(f"{name}: given twice; once is enough")
        parts[name] = value
    area, box = (_parse_numbers(name, parts.get(name), count) for name, count in (("area", 3), ("box", 4)))
    if area is not None:
        area = (area[0], area[1], area[2] * 1000)
    if box is not None:
        box = (min(box[0], box[2]), min(box[1], box[3]), max(box[0], box[2]), max(box[1], box[3]))
    return Filter(
        area=area, box=box, types=_parse_names(parts.get("type")), countries=_parse_names(parts.get("country"))
    )


def _parse_numbers(name: str, text: str | None, count: int) -> tuple[float, ...] | None:
    if text is None:
        return None
    form = {"area": "latitude,longitude,kilometres", "box": "latitude,longitude,latitude,longitude"}[name]
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != count or not all(-1e5 < number < 1e5 for number in numbers):
        raise FilterError(f"{name}: {text[:60]!r} is not of the form {form}")
    if any(abs(latitude) > 90 for latitude in numbers[:3:2][: 1 if name == "area" else 2]):
        raise FilterError(f"{name}: a latitude is between -90 and 90; it comes first")
    return numbers


def _parse_names(text: str | None) -> frozenset[str] | None:
    return None if text is None else frozenset(name.strip().lower() for name in text.split(","))
