"""The drawn base map of an area as SVG elements, for maps that the server draws. Pure.

The map of all stations and the map of one event share it. `project` turns longitude and latitude into the units of
that drawing; what lies outside its frame is left out. Classes are those of map.css.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from markupsafe import escape

from gateway.api.data.area_base import AreaBase, Feature
from gateway.api.pages.formats import Formats

_GAPS = (4.0, 10.0, 18.0, 26.0)

Project = Callable[[float, float], tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The visible part of a drawing, in its units."""

    left: float
    top: float
    right: float
    bottom: float

    def contains(self, x: float, y: float) -> bool:
        """Whether a point lies inside."""
        return self.left <= x <= self.right and self.top <= y <= self.bottom

    def overlaps(self, other: "Frame") -> bool:
        """Whether two frames have a part in common."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


def draw_base(base: AreaBase, project: Project, frame: Frame) -> str:
    """The paths of the base map, without names: areas first, then lines, as the file orders them."""
    return "".join(_draw_path(feature, project, frame) for feature in base.features)


def _draw_path(feature: Feature, project: Project, frame: Frame) -> str:
    geometry = feature["geometry"]
    if geometry["type"] == "Point":
        return ""
    is_polygon = geometry["type"] == "Polygon"
    positions = geometry["coordinates"][0] if is_polygon else geometry["coordinates"]
    points = [project(longitude, latitude) for longitude, latitude in positions]
    if not frame.overlaps(_bounds_of(points)):
        return ""
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in (points[:-1] if is_polygon else points))
    return f'<path class="base {escape(feature["properties"]["kind"])}" d="M{path}{"Z" if is_polygon else ""}"/>'


def _bounds_of(points: Sequence[tuple[float, float]]) -> Frame:
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return Frame(left=min(xs), top=min(ys), right=max(xs), bottom=max(ys))


@dataclass(frozen=True, kw_only=True)
class Label:
    """A name with its point in the units of the drawing; `css` is its class."""

    text: str
    x: float
    y: float
    css: str


def list_labels(base: AreaBase, project: Project, frame: Frame, max_rank: int) -> Iterator[Label]:
    """Names of places up to a rank, in order of importance, if their point is in the frame."""
    for place in base.places:
        x, y = project(place.longitude, place.latitude)
        if place.rank <= max_rank and frame.contains(x, y):
            yield Label(text=place.name, x=x, y=y, css=f"name rank-{place.rank}")


class LabelPlacer:
    """Gives each name a place that is free of the boxes before it: beside, above or below its point."""

    def __init__(self, frame: Frame, *, character_width: float, height: float) -> None:
        self._frame, self._character_width, self._height = frame, character_width, height
        self._taken: list[Frame] = []

    def take(self, x: float, y: float, half: float) -> None:
        """Mark a square as taken, such as that of a marker."""
        self._taken.append(Frame(left=x - half, top=y - half, right=x + half, bottom=y + half))

    def take_box(self, box: Frame) -> None:
        """Mark a box as taken."""
        self._taken.append(box)

    def place(self, label: Label) -> tuple[float, float] | None:
        """The middle of the name; None if there is no room."""
        width = self._character_width * (1.1 if "rank-1" in label.css else 1.0)  # towns are bold
        half_width, half_height = len(label.text) * width / 2, self._height / 2
        for dx, dy in _list_offsets(half_width, half_height):
            x, y = label.x + dx, label.y + dy
            box = Frame(left=x - half_width, top=y - half_height, right=x + half_width, bottom=y + half_height)
            is_inside = self._frame.contains(box.left, box.top) and self._frame.contains(box.right, box.bottom)
            if is_inside and not any(box.overlaps(other) for other in self._taken):
                self._taken.append(box)
                return x, y
        return None

    def draw(self, label: Label) -> str:
        """The name as an SVG text, or nothing."""
        place = self.place(label)
        if place is None:
            return ""
        x, y = place
        text = escape(label.text)
        position = f'x="{x:.1f}" y="{y + self._height / 4:.1f}"'
        return f'<text class="{escape(label.css)}" {position} text-anchor="middle">{text}</text>'


def _list_offsets(half_width: float, half_height: float) -> Iterator[tuple[float, float]]:
    """Places for a name, from its point outwards: close by, then past a marker that stands there."""
    yield 0.0, 0.0
    for gap in _GAPS:
        side, step = half_width + gap, half_height + gap
        yield from ((0.0, -step), (0.0, step), (side, 0.0), (-side, 0.0), (side, -step), (side, step), (-side, -step))


def draw_scale_bar(formats: Formats, kilometres: float, units_per_km: float, x: float, y: float) -> str:
    """The bar of a map's scale, with its left end at (x, y)."""
    text = f"{formats.plain_number(kilometres)} km"
    return (
        f'<path class="bar" d="M{x:.0f} {y - 4:.0f} v4 h{kilometres * units_per_km:.1f} v-4"/>'
        f'<text x="{x + 4:.0f}" y="{y - 7:.0f}">{escape(text)}</text>'
    )


def draw_north_arrow(formats: Formats, x: float, y: float) -> str:
    """The arrow of the north around (x, y), with its letter below."""
    letter = formats.texts["compass"].split()[0]
    return (
        f'<path class="bar" d="M{x:.0f} {y + 8:.0f} v-16 m-4 5 l4 -5 l4 5"/>'
        f'<text x="{x:.0f}" y="{y + 22:.0f}" text-anchor="middle">{escape(letter)}</text>'
    )
