"""Value against wind: a polar plot as SVG with N, E, S and W, and the same figures as rows of a table. Pure.

The circle has sixteen sectors. A sector's radius is the mean of the values that were measured while the wind came from
there; the arc in it is the highest of them. Sectors with few values are left out.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from alerting.averaging import AveragingRule, average_values
from gateway.api.pages.chart import round_step
from gateway.api.pages.formats import Formats
from gateway.api.schemas.observations import Mean

LEAST_VALUES = 3  # of a sector
CALM_SPEED = 0.5  # m/s; below it a vane shows no direction
_SECTORS = 16
_WIDTH = 360.0 / _SECTORS  # degrees
RADIUS, _MARGIN = 120.0, 26.0
_RINGS = 4
_POINTS = ("N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW")


@dataclass(frozen=True, kw_only=True)
class WindSector:
    """The values of one of sixteen directions, which is in degrees from north."""

    direction: float
    count: int
    mean: float
    highest: float


@dataclass(frozen=True, kw_only=True)
class PolarPlot:
    """The sectors of one property at one station. `title`: the description for screen readers."""

    title: str
    sectors: Sequence[WindSector]

    def svg(self, formats: Formats) -> Markup:
        """The plot; the style sheet sets the colours. Empty without a sector."""
        if not self.sectors:
            return Markup("")
        top = _round_up(max(sector.highest for sector in self.sectors))
        return draw_round(
            formats,
            self.title,
            "".join(draw_ring(ring * RADIUS / _RINGS) for ring in range(1, _RINGS + 1))
            + "".join(_draw_sector(formats, sector, top) for sector in self.sectors)
            + "".join(_draw_label(formats, ring, top) for ring in (2, 4)),
        )


def draw_round(formats: Formats, title: str, content: str) -> Markup:
    """A round drawing around (0, 0) with N, E, S and W at its edge. `content`: escaped SVG; `title` is plain text."""
    edge = RADIUS + _MARGIN
    letters = zip(
        str(formats.texts["compass"]).split(),
        (polar_point(direction, RADIUS + 14) for direction in (0, 90, 180, 270)),
        strict=True,
    )
    return Markup(  # noqa: S704 - every text is escaped at its place
        f'<svg class="polar" viewBox="{-edge:.0f} {-edge:.0f} {2 * edge:.0f} {2 * edge:.0f}" role="img" '
        f'aria-label="{escape(title)}"><title>{escape(title)}</title>{content}'
        + "".join(
            f'<text class="compass" x="{x:.0f}" y="{y + 5:.0f}" text-anchor="middle">{escape(letter)}</text>'
            for letter, (x, y) in letters
        )
        + "</svg>"
    )


def pair_with_wind(
    values: Iterable[Mean], directions: Iterable[Mean], speeds: Iterable[Mean]
) -> list[tuple[float, float]]:
    """(direction, value) of each period with both, without those of calm air. Of two nodes the later one counts."""
    by_start = _by_start(directions)
    calm = {start for start, speed in _by_start(speeds).items() if speed < CALM_SPEED}
    return [
        (by_start[mean.start], mean.mean)
        for mean in values
        if mean.mean is not None and mean.start in by_start and mean.start not in calm
    ]


def build_sectors(pairs: Iterable[tuple[float, float]], rule: AveragingRule) -> list[WindSector]:
    """The sectors with enough values, clockwise from north; `rule` is that of the property of the values."""
    values: dict[int, list[float]] = {}
    for direction, value in pairs:
        values.setdefault(round(direction / _WIDTH) % _SECTORS, []).append(value)
    return [
        WindSector(
            direction=number * _WIDTH,
            count=len(sector_values),
            mean=average_values(sector_values, rule),
            highest=max(sector_values),
        )
        for number, sector_values in sorted(values.items())
        if len(sector_values) >= LEAST_VALUES
    ]


def name_direction(formats: Formats, direction: float) -> str:
    """One of sixteen compass points in the letters of the language: ZZW."""
    letters: Mapping[str, str] = dict(zip("NESW", str(formats.texts["compass"]).split(), strict=True))
    return "".join(letters[letter] for letter in _POINTS[round(direction / _WIDTH) % _SECTORS])


def _by_start(means: Iterable[Mean]) -> dict[str, float]:
    return {mean.start: mean.mean for mean in means if mean.mean is not None}


def _round_up(value: float) -> float:
    """The value at the edge of the circle: a round number at or above the highest one."""
    step = round_step(max(value, 1e-3) / _RINGS)
    return math.ceil(value / step) * step if value > 0 else step


def draw_ring(radius: float) -> str:
    """A circle of the grid."""
    return f'<circle class="grid" r="{radius:.1f}"/>'


def _draw_sector(formats: Formats, sector: WindSector, top: float) -> str:
    mean_radius = RADIUS * max(0.0, sector.mean) / top
    highest_radius = RADIUS * max(0.0, sector.highest) / top
    (x1, y1), (x2, y2) = (polar_point(sector.direction + half, mean_radius) for half in (-_WIDTH / 2, _WIDTH / 2))
    (x3, y3), (x4, y4) = (polar_point(sector.direction + half, highest_radius) for half in (-_WIDTH / 2, _WIDTH / 2))
    arc = f"A{highest_radius:.1f} {highest_radius:.1f} 0 0 1 {x4:.1f} {y4:.1f}"
    label = f"{name_direction(formats, sector.direction)}: {formats.number(sector.mean)}"
    return (
        f'<path class="sector" d="M0 0L{x1:.1f} {y1:.1f}A{mean_radius:.1f} {mean_radius:.1f} 0 0 1 {x2:.1f} {y2:.1f}Z">'
        f"<title>{escape(label)}</title></path>"
        f'<path class="highest" d="M{x3:.1f} {y3:.1f}{arc}"/>'
    )


def _draw_label(formats: Formats, ring: int, top: float) -> str:
    x, y = polar_point(_WIDTH * 1.5, ring * RADIUS / _RINGS)
    text = formats.plain_number(top * ring / _RINGS)
    return f'<text class="tick" x="{x:.0f}" y="{y:.0f}" text-anchor="middle">{escape(text)}</text>'


def polar_point(direction: float, radius: float) -> tuple[float, float]:
    """The point (x, y) in a direction in degrees from north; y goes down."""
    return radius * math.sin(math.radians(direction)), -radius * math.cos(math.radians(direction))
