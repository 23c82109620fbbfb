"""The map of one event as SVG: its station, the other stations, the facilities, and the sector of the wind.

It is drawn on the server from the registry, so that it works on paper and without JavaScript or a map server.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, hypot, radians, sin

from markupsafe import Markup, escape

from alerting.vocabulary import compass_direction
from gateway.api.data.area_base import AreaBase
from gateway.api.data.area_wind import AreaWind
from gateway.api.data.registry import SiteRow, StationRow
from gateway.api.pages.base_drawing import Frame, LabelPlacer, draw_base, draw_north_arrow, draw_scale_bar, list_labels
from gateway.api.pages.formats import Formats
from gateway.api.schemas.events import Around, Event, Wind
from gateway.model.geodesy import offset_metres

_WIDTH, _HEIGHT, _MARGIN = 380.0, 260.0, 34.0
_MIN_HALF_SECTOR = 22.5
_MAX_DISTANCE_KM = 15.0  # markers farther from the station are not drawn
_MIN_REACH_KM = 0.6  # shown to each side, even if all markers are nearer
_MAX_PLACE_RANK = 3
_CHARACTER_WIDTH = 6.8
_SCALE_BAR_KM = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, kw_only=True)
class Marker:
    """A facility or station, in km east and north of the event's station; `css` is its class."""

    east: float
    north: float
    name: str
    css: str


def draw_event_map(formats: Formats, event: Event, base: AreaBase | None = None) -> Markup:
    """SVG with north up; a known wind is a sector and an arrow. Empty if the registry lacks the station.

    `base`: the drawn base map of the event's area, below everything else.
    """
    station = formats.registry.stations.get(event.station)
    if station is None:
        return Markup("")
    markers = _build_markers(formats, event.around, station)
    scale = _choose_scale(markers)
    wind = event.around.wind
    title = formats.texts["rose"].format(wind=describe_wind(formats, event.around)) if wind else formats.texts["map"]
    return Markup(  # noqa: S704 - every text is escaped at its place
        f'<svg class="sketch" viewBox="{-_WIDTH / 2:.0f} {-_HEIGHT / 2:.0f} {_WIDTH:.0f} {_HEIGHT:.0f}" role="img" '
        f'aria-label="{escape(title)}"><title>{escape(title)}</title>'
        + ("" if base is None else _draw_base(base, station, markers, scale))
        + (_draw_wind(wind) if wind else "")
        + "".join(_draw_marker(marker, scale) for marker in markers)
        + '<circle class="here" r="7"/>'
        + draw_scale_bar(formats, _choose_scale_bar(scale), scale, 10 - _WIDTH / 2, _HEIGHT / 2 - 10)
        + draw_north_arrow(formats, _WIDTH / 2 - 16, 28 - _HEIGHT / 2)
        + "</svg>"
    )


def _draw_base(base: AreaBase, station: StationRow, markers: Sequence[Marker], scale: float) -> str:
    """The base map around the station, and the place names that no marker covers."""
    frame = Frame(left=-_WIDTH / 2, top=-_HEIGHT / 2, right=_WIDTH / 2, bottom=_HEIGHT / 2)

    def project(longitude: float, latitude: float) -> tuple[float, float]:
        east, north = offset_metres(station.latitude, station.longitude, latitude, longitude)
        return east / 1_000 * scale, -north / 1_000 * scale

    placer = LabelPlacer(frame, character_width=_CHARACTER_WIDTH, height=13.0)
    placer.take(0.0, 0.0, 9.0)
    for marker in markers:
        x, y = marker.east * scale, -marker.north * scale
        placer.take(x, y, 7.0)
        if marker.name:
            placer.take_box(_box_of_name(marker, x, y))
    names = "".join(placer.draw(label) for label in list_labels(base, project, frame, _MAX_PLACE_RANK))
    return draw_base(base, project, frame) + names


def _box_of_name(marker: Marker, x: float, y: float) -> Frame:
    """The box in which `_draw_marker` writes the name of a marker."""
    width, left = len(marker.name) * _CHARACTER_WIDTH + 9, x
    if x > _WIDTH / 6:
        left -= width
    return Frame(left=left, top=y - 7, right=left + width, bottom=y + 7)


def _choose_scale(markers: Sequence[Marker]) -> float:
    """The units of the drawing per km with which all markers fit."""
    reach = max([_MIN_REACH_KM, *(max(abs(marker.east) * _HEIGHT / _WIDTH, abs(marker.north)) for marker in markers)])
    return (_HEIGHT / 2 - _MARGIN) / reach


def describe_wind(formats: Formats, around: Around) -> str:
    """`uit het westen, 4,2 m/s`; empty without a wind."""
    wind = around.wind
    if wind is None:
        return ""
    direction_name = compass_direction(wind.direction, formats.language)
    return str(formats.texts["wind_from"].format(where=direction_name, speed=formats.number(wind.speed)))


def describe_area_wind(formats: Formats, wind: AreaWind) -> str:
    """`uit het westen, 4,2 m/s`, or that it is calm."""
    if wind.direction is None:
        return str(formats.texts["map_calm"])
    where = compass_direction(wind.direction, formats.language)
    return str(formats.texts["wind_from"].format(where=where, speed=formats.number(wind.speed)))


def _build_markers(formats: Formats, around: Around, station: StationRow) -> list[Marker]:
    """The facilities, then the area's other stations. Stations that rose too have a name."""
    registry = formats.registry
    risen_stations = set(around.neighbours.stations) if around.neighbours else set()
    upwind_ids = {site.id for site in around.upwind}
    markers = [
        _build_marker(station, site, site.name, "site upwind" if site.id in upwind_ids else "site")
        for site in registry.sites.values()
        if site.area == station.area
    ]
    for other in registry.stations.values():
        if other.area == station.area and other.id != station.id:
            name, css = (other.name, "rose") if other.id in risen_stations else ("", "other")
            markers.append(_build_marker(station, other, name, css))
    return [marker for marker in markers if hypot(marker.east, marker.north) <= _MAX_DISTANCE_KM]


def _build_marker(station: StationRow, place: SiteRow | StationRow, name: str, css: str) -> Marker:
    east, north = offset_metres(station.latitude, station.longitude, place.latitude, place.longitude)
    return Marker(east=east / 1_000, north=north / 1_000, name=name, css=css)


def _draw_marker(marker: Marker, scale: float) -> str:
    x, y = marker.east * scale, -marker.north * scale
    is_site = marker.css.startswith("site")
    mark = (
        f'<rect class="{marker.css}" x="-5" y="-5" width="10" height="10"/>'
        if is_site
        else f'<circle class="{marker.css}" r="5"/>'
    )
    anchor, text_offset = ("end", -9) if x > _WIDTH / 6 else ("start", 9)
    name = f'<text x="{text_offset}" y="4" text-anchor="{anchor}">{escape(marker.name)}</text>' if marker.name else ""
    return f'<g transform="translate({x:.1f} {y:.1f})">{mark}{name}</g>'


def _draw_wind(wind: Wind) -> str:
    """The sector that the air came from, up to beyond the edge of the map."""
    half, reach = min(60.0, max(_MIN_HALF_SECTOR, wind.spread)), hypot(_WIDTH, _HEIGHT)
    (x1, y1), (x2, y2) = _polar_offset(wind.direction - half, reach), _polar_offset(wind.direction + half, reach)
    (tip_x, tip_y), (tail_x, tail_y) = _polar_offset(wind.direction, 20), _polar_offset(wind.direction, 72)
    return (
        f'<path class="sector" d="M0 0 L{x1:.1f} {y1:.1f} L{x2:.1f} {y2:.1f} Z"/>'
        f'<line class="wind" x1="{tail_x:.1f}" y1="{tail_y:.1f}" x2="{tip_x:.1f}" y2="{tip_y:.1f}"/>'
        f'<path class="head" d="M-6 -24 L0 -10 L6 -24 Z" transform="rotate({wind.direction:.1f})"/>'
    )


def _choose_scale_bar(scale: float) -> float:
    return max((km for km in _SCALE_BAR_KM if km * scale <= _WIDTH / 3), default=_SCALE_BAR_KM[0])


def _polar_offset(bearing: float, distance: float) -> tuple[float, float]:
    return distance * sin(radians(bearing)), -distance * cos(radians(bearing))
