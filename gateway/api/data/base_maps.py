"""The places of the drawn base maps, GeoJSON with the source of each feature; the search for a place uses them."""

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from gateway.api.data.gazetteer import NamedPlace

_FOLDER = Path(__file__).parents[3] / "firmware_configs" / "sites"


def load_places(area_ids: Iterable[str]) -> list[NamedPlace]:
    """The places of each area that has a base map, towns first."""
    return [place for area_id in area_ids for place in _load_places(area_id)]


@cache
def _load_places(area_id: str) -> tuple[NamedPlace, ...]:
    path = _FOLDER / area_id / "base.geojson"
    if not path.is_file():
        return ()
    features = [
        feature
        for feature in json.loads(path.read_text(encoding="utf-8"))["features"]
        if feature["properties"].get("kind") == "place"
    ]
    features.sort(key=lambda feature: feature["properties"].get("rank", 9))
    return tuple(
        NamedPlace(
            name=feature["properties"]["name"],
            longitude=feature["geometry"]["coordinates"][0],
            latitude=feature["geometry"]["coordinates"][1],
            postcodes=tuple(feature["properties"].get("postcodes", ())),
        )
        for feature in features
    )
