"""The drawn base map of an area: coast, water, roads, built-up places, place names and outlines of sites, as GeoJSON.

The files are `<area>/base.geojson` in a folder: those that are shipped, then those of `[api.base_map] folder`, which
replace a shipped one of the same area. The application loads them once at start. Every feature has a `kind`, the
public `source` at which it can be checked, and its `accuracy` in metres. Raises StartError if a file cannot be read.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gateway.errors import StartError

# A checkout has the files where nodes are configured, a wheel has them beside this package (pyproject.toml).
_CHECKOUT = Path(__file__).parents[3] / "firmware_configs" / "sites"
_PACKAGED = Path(__file__).parents[1] / "bases"
FILE_NAME = "base.geojson"
LINE_KINDS = ("pier", "rail", "road", "motorway")
AREA_KINDS = ("sea", "green", "built", "water", "site")
_KINDS = frozenset({*LINE_KINDS, *AREA_KINDS, "place"})
_GEOMETRIES = {"place": "Point", **dict.fromkeys(LINE_KINDS, "LineString"), **dict.fromkeys(AREA_KINDS, "Polygon")}
_DRAWING_KEYS = ("kind", "name", "rank")  # a browser draws with these; `source` and `accuracy` stay in the file

Feature = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class PlaceName:
    """A place with its position (WGS 84, degrees), its four-digit postcodes, and its rank: 1 is a town."""

    name: str
    latitude: float
    longitude: float
    postcodes: tuple[str, ...]
    rank: int


@dataclass(frozen=True, kw_only=True)
class AreaBase:
    """The base map of one area. `bbox`: west, south, east, north in degrees."""

    area: str
    bbox: tuple[float, float, float, float]
    features: Sequence[Feature]

    @cached_property
    def places(self) -> list[PlaceName]:
        """The place names, towns first."""
        places = [_read_place(feature) for feature in self.features if feature["properties"]["kind"] == "place"]
        return sorted(places, key=lambda place: place.rank)

    @cached_property
    def drawing(self) -> dict[str, Any]:
        """A FeatureCollection with what a browser needs to draw the map."""
        return {
            "type": "FeatureCollection",
            "bbox": list(self.bbox),
            "features": [
                {
                    "type": "Feature",
                    "properties": {
                        key: feature["properties"][key] for key in _DRAWING_KEYS if key in feature["properties"]
                    },
                    "geometry": feature["geometry"],
                }
                for feature in self.features
            ],
        }


def load_bases(folder: Path | None = None) -> dict[str, AreaBase]:
    """The base maps by area id: the shipped ones, then those of `folder`. Raises StartError."""
    bases = {}
    for root in (find_shipped_folder(), folder):
        if root is not None:
            for path in sorted(root.glob(f"*/{FILE_NAME}")):
                bases[path.parent.name] = read_base(path)
    return bases


def find_shipped_folder() -> Path:
    """The folder with the base maps that come with Piekwacht."""
    return _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT


def read_base(path: Path) -> AreaBase:
    """Read and check one file. Raises StartError, which names the file and the feature."""
    try:
        document = json.loads(path.read_text())
        features = document["features"]
        west, south, east, north = (float(value) for value in document["bbox"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StartError(f"{path} is no base map: GeoJSON with `bbox` and `features` is needed ({error!r})") from None
    for index, feature in enumerate(features):
        problem = _find_problem(feature)
        if problem:
            raise StartError(f"{path}, feature {index + 1}: {problem}")
    return AreaBase(area=path.parent.name, bbox=(west, south, east, north), features=features)


def _find_problem(feature: object) -> str | None:
    """Why a feature cannot be drawn; None if it can."""
    try:
        properties, geometry = feature["properties"], feature["geometry"]  # type: ignore[index]
        kind = properties["kind"]
        if kind not in _KINDS:
            return f"the kind {kind!r} is unknown; the kinds are {', '.join(sorted(_KINDS))}"
        if geometry["type"] != _GEOMETRIES[kind]:
            return f"a feature of the kind {kind!r} is a {_GEOMETRIES[kind]}, not a {geometry['type']}"
        missing = [key for key in ("name", "source", "accuracy") if not properties.get(key)]
        if kind == "place" and not isinstance(properties.get("rank"), int):
            missing.append("rank")
    except (KeyError, TypeError):
        return "a Feature with `properties`, `kind` and `geometry` is needed"
    return f"`{missing[0]}` is missing" if missing else None


def _read_place(feature: Feature) -> PlaceName:
    properties = feature["properties"]
    longitude, latitude = feature["geometry"]["coordinates"]
    return PlaceName(
        name=properties["name"],
        latitude=latitude,
        longitude=longitude,
        postcodes=tuple(properties.get("postcodes", ())),
        rank=properties["rank"],
    )
