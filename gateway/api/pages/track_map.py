"""The drawing of a track as SVG: each part in the colour of its value, over the base map of the area. Pure.

The table and the chart of the page have the same in figures, so that nothing depends on colour alone.
"""

from math import cos, hypot, isfinite, radians

from markupsafe import Markup, escape

from gateway.api.data.area_base import AreaBase
from gateway.api.data.tracks import MeasuredTrack
from gateway.api.pages.base_drawing import (
    Frame,
    LabelPlacer,
    Project,
    draw_base,
    draw_north_arrow,
    draw_scale_bar,
    list_labels,
)
from gateway.api.pages.formats import Formats
from gateway.model.geodesy import METRES_PER_DEGREE
from gateway.model.properties import PROPERTIES

_WIDTH, _HEIGHT, _MARGIN = 560.0, 360.0, 34.0
_MIN_METRES = 400.0  # that the drawing shows at least
_LEAST_STEP = 4.0  # units between two drawn points
_MAX_PLACE_RANK = 3
_SCALE_BAR_KM = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)


def draw_track(formats: Formats, track: MeasuredTrack, observed_property: str, base: AreaBase | None) -> Markup:
    """SVG with north up. `observed_property`: whose values colour it; empty: none."""
    project, units_per_km = _choose_projection(track)
    frame = Frame(left=0.0, top=0.0, right=_WIDTH, bottom=_HEIGHT)
    title = formats.texts["track_map"].format(station=track.carrier.name)
    bar = max([km for km in _SCALE_BAR_KM if km * units_per_km <= _WIDTH / 3], default=_SCALE_BAR_KM[0])
    placer = LabelPlacer(frame, character_width=6.8, height=13.0)
    names = [] if base is None else [placer.draw(label) for label in list_labels(base, project, frame, _MAX_PLACE_RANK)]
    return Markup(  # noqa: S704 - every text is escaped at its place
        f'<svg class="sketch track" viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" role="img" '
        f'aria-label="{escape(title)}"><title>{escape(title)}</title>'
        + ("" if base is None else draw_base(base, project, frame))
        + "".join(names)
        + "".join(_draw_parts(track, observed_property, project))
        + draw_scale_bar(formats, bar, units_per_km, 10.0, _HEIGHT - 10)
        + draw_north_arrow(formats, _WIDTH - 16, 28.0)
        + "</svg>"
    )


def _choose_projection(track: MeasuredTrack) -> tuple[Project, float]:
    """The projection in which the whole track fits, and its units per km."""
    latitudes, longitudes = track.positions.latitude, track.positions.longitude
    middle = (float(latitudes.min() + latitudes.max()) / 2, float(longitudes.min() + longitudes.max()) / 2)
    width = METRES_PER_DEGREE * cos(radians(middle[0]))
    east_metres = max(_MIN_METRES, float(longitudes.max() - longitudes.min()) * width)
    north_metres = max(_MIN_METRES, float(latitudes.max() - latitudes.min()) * METRES_PER_DEGREE)
    scale = min((_WIDTH - 2 * _MARGIN) / east_metres, (_HEIGHT - 2 * _MARGIN) / north_metres)

    def project(longitude: float, latitude: float) -> tuple[float, float]:
        east = (longitude - middle[1]) * width * scale
        return _WIDTH / 2 + east, _HEIGHT / 2 - (latitude - middle[0]) * METRES_PER_DEGREE * scale

    return project, scale * 1_000


def _draw_parts(track: MeasuredTrack, observed_property: str, project: Project) -> list[str]:
    """Paths of one colour each; a part with several values between two points has that of the highest."""
    points = [project(*place) for place in zip(track.positions.longitude, track.positions.latitude, strict=True)]
    classes = _list_classes(track, observed_property)
    parts: list[tuple[int, list[tuple[float, float]]]] = []
    last, highest = points[0], classes[0]
    for point, class_ in zip(points[1:], classes[1:], strict=True):
        highest = max(highest, class_)
        if hypot(point[0] - last[0], point[1] - last[1]) < _LEAST_STEP:
            continue
        if parts and parts[-1][0] == highest:
            parts[-1][1].append(point)
        else:
            parts.append((highest, [last, point]))
        last, highest = point, class_
    if not parts:
        x, y = points[0]
        return [f'<circle class="track-spot{_css(highest)}" cx="{x:.1f}" cy="{y:.1f}" r="5"/>']
    return [
        f'<path class="track-part{_css(class_)}" d="M{"L".join(f"{x:.1f} {y:.1f}" for x, y in corners)}"/>'
        for class_, corners in parts
    ]


def _css(class_: int) -> str:
    return "" if class_ < 0 else f" c{class_}"


def _list_classes(track: MeasuredTrack, observed_property: str) -> list[int]:
    """The class of the value at each position; -1 without a value or without colours."""
    row = PROPERTIES.get(observed_property)
    if observed_property not in track.values or row is None or row.colour_steps is None:
        return [-1] * len(track.positions)
    steps = row.colour_steps
    values, _ = track.values[observed_property]
    return [sum(value >= step for step in steps) if isfinite(value) else -1 for value in values.tolist()]
