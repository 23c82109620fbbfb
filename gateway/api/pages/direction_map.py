"""The map of the direction of a source as SVG: base map, regions, stations with the wind they had, and sites. Pure."""

from collections.abc import Iterable, Mapping
from math import cos, radians, sin

from markupsafe import Markup, escape

from gateway.api.data.area_base import AreaBase
from gateway.api.data.source_evidence import SourceMap
from gateway.api.inspector.source_direction import OutlinedRegion, PlumeDirection
from gateway.api.pages.base_drawing import (
    Frame,
    Label,
    LabelPlacer,
    draw_base,
    draw_north_arrow,
    draw_scale_bar,
    list_labels,
)
from gateway.api.pages.formats import Formats
from gateway.localisation.locate import Fan, SourceLocation

_WIDTH = 420.0
_MAX_RATIO = 1.1  # height by width
_FAN_LENGTH = 64.0
_MIN_HALF_FAN = 6.0  # degrees, so that a steady wind is still visible
_NAME_WIDTH, _NAME_HEIGHT = 6.8, 13.0
_SCALE_BAR_KM = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_MAX_PLACE_RANK = 3
_HALF = 0.5  # share of the probability in the inner region


def draw_direction_map(
    formats: Formats, direction: PlumeDirection, location: SourceLocation, base: AreaBase | None, title: str
) -> Markup:
    """SVG with north up. The regions of 90 and 50 % are areas; high stations are full, low ones are open."""
    drawing = _Drawing(direction.chosen)
    positions = _station_positions(drawing)
    largest_first = sorted(direction.regions, key=lambda region: -region.share)
    parts = [
        "" if base is None else draw_base(base, drawing.project, drawing.frame),
        *(_draw_region(drawing, region) for region in largest_first),
        *(_draw_fan(fan, *positions[fan.station]) for fan in location.fans),
        *_draw_markers(drawing, location, positions),
        *_draw_names(drawing, base),
        draw_scale_bar(formats, _choose_scale_bar(drawing), drawing.scale * 1_000, 12.0, drawing.height - 12),
        draw_north_arrow(formats, drawing.frame.right - 18, 30.0),
    ]
    return Markup(  # noqa: S704 - every text is escaped at its place
        f'<svg class="sketch direction" viewBox="0 0 {_WIDTH:.0f} {drawing.height:.0f}" role="img" '
        f'aria-label="{escape(title)}"><title>{escape(title)}</title>{"".join(parts)}</svg>'
    )


class _Drawing:
    """The units of the drawing: x to the right and y down, from the upper left corner of the grid."""

    def __init__(self, chosen: SourceMap) -> None:
        grid = chosen.grid
        self.chosen = chosen
        (self.left, bottom), (right, self.top) = grid.corner(0, 0), grid.corner(len(grid.easts), len(grid.norths))
        self.scale = min(_WIDTH / (right - self.left), _WIDTH * _MAX_RATIO / (self.top - bottom))
        self.height = (self.top - bottom) * self.scale
        self.left -= (_WIDTH / self.scale - (right - self.left)) / 2
        self.frame = Frame(left=0.0, top=0.0, right=_WIDTH, bottom=self.height)

    def place(self, east: float, north: float) -> tuple[float, float]:
        return (east - self.left) * self.scale, (self.top - north) * self.scale

    def project(self, longitude: float, latitude: float) -> tuple[float, float]:
        return self.place(*self.chosen.plane.project(latitude, longitude))


def _draw_region(drawing: _Drawing, region: OutlinedRegion) -> str:
    grid = drawing.chosen.grid
    paths = (
        "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in (drawing.place(*grid.corner(*point)) for point in ring)) + "Z"
        for polygon in region.polygons
        for ring in polygon
    )
    css = "region half" if region.share <= _HALF else "region most"
    return f'<path class="{css}" fill-rule="evenodd" d="{"".join(paths)}"/>'


def _station_positions(drawing: _Drawing) -> Mapping[str, tuple[float, float]]:
    return {row.id: drawing.project(row.longitude, row.latitude) for row in drawing.chosen.stations}


def _draw_fan(fan: Fan, x: float, y: float) -> str:
    """The sector that the air came from at a high station."""
    half = max(_MIN_HALF_FAN, fan.spread)
    corners = (
        (x + _FAN_LENGTH * sin(radians(bearing)), y - _FAN_LENGTH * cos(radians(bearing)))
        for bearing in (fan.direction - half, fan.direction, fan.direction + half)
    )
    path = "L".join(f"{corner_x:.1f} {corner_y:.1f}" for corner_x, corner_y in corners)
    return f'<path class="sector" d="M{x:.1f} {y:.1f}L{path}Z"/>'


def _draw_markers(
    drawing: _Drawing, location: SourceLocation, positions: Mapping[str, tuple[float, float]]
) -> Iterable[str]:
    for row in drawing.chosen.sites:
        x, y = drawing.project(row.longitude, row.latitude)
        yield f'<rect class="site" x="{x - 5:.1f}" y="{y - 5:.1f}" width="10" height="10"/>'
    for row_id, (x, y) in positions.items():
        css = "rose" if row_id in location.high_stations else "other"
        yield f'<circle class="{css}" cx="{x:.1f}" cy="{y:.1f}" r="6"/>'


def _draw_names(drawing: _Drawing, base: AreaBase | None) -> Iterable[str]:
    """Names of sites and stations, then of places, if there is room."""
    placer = LabelPlacer(drawing.frame, character_width=_NAME_WIDTH, height=_NAME_HEIGHT)
    placer.take(drawing.frame.right - 18, 28.0, 20.0)  # the arrow of the north
    places = [
        (*drawing.project(row.longitude, row.latitude), row.name, css)
        for rows, css in ((drawing.chosen.sites, "site-name"), (drawing.chosen.stations, "station-name"))
        for row in rows
    ]
    for x, y, _, _ in places:
        placer.take(x, y, 7.0)
    for x, y, name, css in places:
        yield placer.draw(Label(text=name, x=x, y=y, css=css))
    if base is not None:
        yield from map(placer.draw, list_labels(base, drawing.project, drawing.frame, _MAX_PLACE_RANK))


def _choose_scale_bar(drawing: _Drawing) -> float:
    fitting = [km for km in _SCALE_BAR_KM if km * 1_000 * drawing.scale <= _WIDTH / 4]
    return max(fitting, default=_SCALE_BAR_KM[0])
