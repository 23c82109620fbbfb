"""The map of an area's stations as SVG: base map, sites, and each station with its newest minute and a link.

The page shows it until its script has drawn the live map, and always without JavaScript. Numbers, colours and marks are
those of the live map (static/station_map.js). Pure but for the view's clock.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import cos, hypot, radians
from urllib.parse import quote

from markupsafe import Markup, escape

from edge_agent.wire import is_guest
from gateway.api.data.area_base import AreaBase
from gateway.api.data.area_wind import AreaWind, compute_area_wind, read_station_wind
from gateway.api.data.raw_backgrounds import RawBackgrounds
from gateway.api.data.registry import AreaRow, StationRow
from gateway.api.pages.base_drawing import Frame, Label, LabelPlacer, Project, draw_base, list_labels
from gateway.api.pages.downwind import draw_sector
from gateway.api.pages.event_map import describe_area_wind
from gateway.api.pages.renderer import View
from gateway.api.schemas.observations import Minute
from gateway.model.properties import PROPERTIES

_SIZE = 420.0
_MARGIN = 34.0
_MARKER_RADIUS = 13.0
_MIN_DISTANCE = 28.0  # between two markers
_MIN_SPAN_DEGREES = 0.02
_MAX_RANK = 3
_ROUNDS = 60
_THOUSAND = 1_000


@dataclass(frozen=True, kw_only=True)
class _Marker:
    """A station with the place of its marker and its true place."""

    station: StationRow
    x: float
    y: float
    true_x: float
    true_y: float


@dataclass(frozen=True, kw_only=True)
class MapContent:
    """Content of the maps.

    `peaking`: stations with a peak that goes on. `plume_origins`: the leading station of each plume that goes on.
    `backgrounds`: of raw signals.
    """

    observed_property: str
    peaking: Collection[str]
    plume_origins: Collection[str]
    backgrounds: RawBackgrounds


def draw_area_maps(view: View, bases: dict[str, AreaBase], content: MapContent) -> Markup:
    """One SVG for each area that has stations."""
    maps = [_draw_area_map(view, area, bases.get(area.id), content) for area in view.registry.areas.values()]
    return Markup("").join(maps)


def _draw_area_map(view: View, area: AreaRow, base: AreaBase | None, content: MapContent) -> Markup:
    stations = [station for station in view.registry.stations.values() if station.area == area.id]
    if not stations:
        return Markup("")
    project = _choose_projection(stations)
    frame = Frame(left=0.0, top=0.0, right=_SIZE, bottom=_SIZE)
    markers = _spread(stations, project)
    max_age = timedelta(seconds=view.settings.no_data_after_seconds)
    wind = compute_area_wind(view.registry, view.latest_values.windows, area.id, view.now, max_age)
    placer = LabelPlacer(frame, character_width=7.0, height=13.0)
    if wind is not None:
        placer.take_box(Frame(left=0.0, top=0.0, right=260.0, bottom=30.0))
    for marker in markers:
        placer.take(marker.x, marker.y, _MARKER_RADIUS + 1)
    labels = _list_site_labels(view, area, project, frame)
    if base is not None:
        labels += list_labels(base, project, frame, _MAX_RANK)
    title = f"{view.texts['map']}: {area.name}, {view.name_of(content.observed_property)}"
    return Markup(  # noqa: S704 - every text is escaped at its place
        f'<svg class="area-map" viewBox="0 0 {_SIZE:.0f} {_SIZE:.0f}" role="group" aria-label="{escape(title)}">'
        + ("" if base is None else draw_base(base, project, frame))
        + "".join(placer.draw(label) for label in labels)
        + "".join(_draw_sector(view, station, content, wind, max_age, project) for station in stations)
        + "".join(_draw_leader(marker) for marker in markers)
        + "".join(_draw_marker(view, marker, content) for marker in markers)
        + ("" if wind is None else _draw_wind(view, wind))
        + "</svg>"
    )


def _choose_projection(stations: Sequence[StationRow]) -> Project:
    """A plane on which all stations fit into the drawing, north up."""
    latitudes, longitudes = [row.latitude for row in stations], [row.longitude for row in stations]
    middle = (min(latitudes) + max(latitudes)) / 2
    centre = (min(longitudes) + max(longitudes)) / 2
    narrowing = cos(radians(middle))
    span = max((max(longitudes) - min(longitudes)) * narrowing, max(latitudes) - min(latitudes), _MIN_SPAN_DEGREES)
    scale = (_SIZE - 2 * _MARGIN) / span

    def project(longitude: float, latitude: float) -> tuple[float, float]:
        return _SIZE / 2 + (longitude - centre) * narrowing * scale, _SIZE / 2 - (latitude - middle) * scale

    return project


def _spread(stations: Sequence[StationRow], project: Project) -> list[_Marker]:
    """Markers that do not hide each other, near their true places."""
    true_places = [project(row.longitude, row.latitude) for row in stations]
    places = list(true_places)
    for _ in range(_ROUNDS):
        moved = False
        for i in range(len(places)):
            for j in range(i + 1, len(places)):
                (ax, ay), (bx, by) = places[i], places[j]
                dx, dy = bx - ax, by - ay
                gap = hypot(dx, dy)
                if gap >= _MIN_DISTANCE:
                    continue
                if gap < 0.01:
                    dx, dy, gap = cos(i + 2 * j), cos(i + 2 * j + 1.57), 1.0
                push = (_MIN_DISTANCE - gap) / 2 / gap
                places[i], places[j] = (ax - dx * push, ay - dy * push), (bx + dx * push, by + dy * push)
                moved = True
        if not moved:
            break
    return [
        _Marker(station=station, x=x, y=y, true_x=true_x, true_y=true_y)
        for station, (x, y), (true_x, true_y) in zip(stations, places, true_places, strict=True)
    ]


def _list_site_labels(view: View, area: AreaRow, project: Project, frame: Frame) -> list[Label]:
    labels = []
    for site in view.registry.sites.values():
        x, y = project(site.longitude, site.latitude)
        if site.area == area.id and frame.contains(x, y):
            labels.append(Label(text=site.name, x=x, y=y, css="name site-name"))
    return labels


def _draw_sector(  # noqa: PLR0917 - the facts of one drawing
    view: View,
    station: StationRow,
    content: MapContent,
    area_wind: AreaWind | None,
    max_age: timedelta,
    project: Project,
) -> str:
    """The sector of a plume from this station, with its own wind, else that of the area; empty without."""
    if station.id not in content.plume_origins:
        return ""
    own_wind = read_station_wind(view.latest_values.windows.get(station.id, {}), view.now - max_age)
    wind = own_wind or area_wind
    if wind is None or wind.direction is None:
        return ""
    return draw_sector(station.latitude, station.longitude, wind.direction, wind.speed, project)


def _draw_leader(marker: _Marker) -> str:
    if hypot(marker.x - marker.true_x, marker.y - marker.true_y) < 3:
        return ""
    return (
        f'<path class="leader" d="M{marker.true_x:.1f} {marker.true_y:.1f}L{marker.x:.1f} {marker.y:.1f}"/>'
        f'<circle class="spot" cx="{marker.true_x:.1f}" cy="{marker.true_y:.1f}" r="3"/>'
    )


def _draw_marker(view: View, marker: _Marker, content: MapContent) -> str:
    station, observed_property = marker.station, content.observed_property
    window = view.latest_values.windows.get(station.id, {}).get(observed_property)
    minute = None if window is None or view.has_no_data(window.minute.observed_at) else window.minute
    is_peaking = station.id in content.peaking
    background = content.backgrounds.get(station.id, {}).get(observed_property)
    css = _choose_class(minute, observed_property) + (" peaking" if is_peaking else "")
    css += " guest" if is_guest(station.id) else ""
    title = station.name if minute is None else f"{station.name}: {_describe(view, minute, background)}"
    link = f"{view.prefix}/stations/{quote(station.id)}"
    shape = (
        f'<rect x="{-_MARKER_RADIUS:.0f}" y="{-_MARKER_RADIUS:.0f}" width="{2 * _MARKER_RADIUS:.0f}" '
        f'height="{2 * _MARKER_RADIUS:.0f}" rx="4"/>'
        if is_peaking
        else f'<circle r="{_MARKER_RADIUS:.0f}"/>'
    )
    return (
        f'<a class="dot-link" href="{escape(link)}" aria-label="{escape(title)}">'
        f'<g class="station {css}" transform="translate({marker.x:.1f} {marker.y:.1f})"><title>{escape(title)}</title>'
        f'{shape}<text y="4" text-anchor="middle">{_shorten(view, minute, background)}</text></g></a>'
    )


def _choose_class(minute: Minute | None, observed_property: str) -> str:
    """The class of the colour step, `silent` without a value, as in the live map."""
    row = PROPERTIES.get(observed_property)
    if minute is None or minute.mean is None:
        return "silent"
    if row is None or row.colour_steps is None:
        return ""
    mean = minute.mean
    return f"c{sum(mean >= step for step in row.colour_steps)}"


def _shorten(view: View, minute: Minute | None, background: float | None) -> str:
    """The number on a marker: a whole number, thousands as `31k`; of a raw signal percents of its background."""
    if minute is None or minute.mean is None:
        return "–"
    mean = minute.mean
    if view.is_raw_signal(minute.unit):
        return f"{int(100 * mean / background + 0.5)}%" if background else "–"
    return f"{int(mean / _THOUSAND + 0.5)}k" if abs(mean) >= _THOUSAND else f"{int(mean + 0.5)}"


def _describe(view: View, minute: Minute, background: float | None) -> str:
    return f"{view.level(minute.mean, minute.unit, background)}, {view.averaging(minute.averaging)}"


def _draw_wind(view: View, wind: AreaWind) -> str:
    """The mean wind in the corner: an arrow where the air goes to, and a text."""
    text = escape(f"{view.texts['map_wind']} {describe_area_wind(view, wind)}")
    arrow = (
        ""
        if wind.direction is None
        else '<path class="head" d="M0 9V-9M-5 -3L0 -9L5 -3" '
        f'transform="translate(16 18) rotate({wind.direction + 180:.0f})"/>'
    )
    return f'<g class="wind-label">{arrow}<text x="30" y="22">{text}</text></g>'
