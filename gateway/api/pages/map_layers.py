"""Fields of the page for the script of the map: base maps, archives, tiles, texts, and names of directions."""

from typing import Any

from alerting.vocabulary import compass_direction
from gateway.api.data.map_archive import SUFFIX, Bounds, choose_archives
from gateway.api.data.outlines import box_of
from gateway.api.pages.renderer import View
from gateway.api.pages.texts import MAP_TEXTS
from gateway.api.routes.basemap import MapSources
from gateway.api.settings import BaseMapSettings
from gateway.model.properties import PROPERTIES

_DEGREES_PER_DIRECTION = 45


def describe_map_layers(view: View) -> dict[str, object]:
    """Fields of the page's `boot` document. Addresses have a version, so that browsers may keep what they got."""
    sources: MapSources = view.request.app.state.map_sources
    areas = view.registry.areas.values()
    boxes: list[Bounds] = [box for area in areas if (box := box_of(area.outline)) is not None]
    archives = choose_archives(list(sources.archives().values()), boxes)
    return {
        "baseMap": _describe_tiles(view.settings.base_map),
        "bases": [f"/map/areas/{area.id}.geojson" for area in areas if area.id in sources.bases],
        "archives": [
            {"url": f"/map/archives/{archive.name}{SUFFIX}", "maxZoom": archive.header.max_zoom} for archive in archives
        ],
        "mapWords": {name: view.texts[f"map_{name}"] for name in MAP_TEXTS},
        "wind": {
            "from": view.texts["wind_from"],
            "calm": view.texts["map_calm"],
            "directions": [compass_direction(_DEGREES_PER_DIRECTION * i, view.language) for i in range(8)],
        },
    }


def describe_tracks(view: View) -> dict[str, object] | None:
    """Areas and texts for the layer of mobile stations; None without any."""
    areas = sorted({row.area for row in view.registry.mobile_stations.values()})
    if not areas:
        return None
    return {"areas": areas, "words": {"cell": view.texts["map_cell"], "failed": view.texts["map_tracks_failed"]}}


def _describe_tiles(settings: BaseMapSettings) -> dict[str, object] | None:
    """The facts about a map server's tiles; None without one."""
    if not settings.url:
        return None
    return {"attribution": settings.attribution, "minZoom": settings.min_zoom, "maxZoom": settings.max_zoom}


def list_colour_steps(observed_property: str) -> list[dict[str, Any]]:
    """The legend of a property: class and range of each colour; empty without colours."""
    row = PROPERTIES.get(observed_property)
    if row is None or row.colour_steps is None:
        return []
    starts = [0, *row.colour_steps]
    ranges = [f"{start:g}–{end:g}" for start, end in zip(starts, row.colour_steps, strict=False)]
    return [{"css": f"c{i}", "text": text} for i, text in enumerate([*ranges, f"> {starts[-1]:g}"])]
