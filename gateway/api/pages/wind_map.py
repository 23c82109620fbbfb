"""Values of a station by direction and speed of the wind, as a round map of cells in SVG. Pure.

The middle is calm, the edge is the strongest wind; the air came from where a cell lies. `gateway.localisation.polar`
computes the values.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from alerting.averaging import AveragingRule
from alerting.vocabulary import compass_direction
from gateway.api.pages.formats import Formats
from gateway.api.pages.polar import RADIUS, draw_ring, draw_round, polar_point
from gateway.api.schemas.observations import Mean
from gateway.localisation.polar import WindStatistic, compute_cpf, compute_nwr

_CELLS, _RINGS = 36, 8
_FAINTEST = 0.06  # opacity of the lowest cell


@dataclass(frozen=True, kw_only=True)
class WindMap:
    """One round map. `describe`: the text of a value, such as `12,3 µg/m³` or `40 %`."""

    title: str
    statistic: WindStatistic
    describe: Callable[[float], str]

    @property
    def is_empty(self) -> bool:
        """Whether no cell has a value."""
        return not np.isfinite(self.statistic.values).any()

    def describe_highest(self, formats: Formats, sentence: str) -> str:
        """The sentence with the highest cell filled in: {where}, {speed} and {value}."""
        ring, cell = np.unravel_index(int(np.nanargmax(self.statistic.values)), self.statistic.values.shape)
        return sentence.format(
            where=compass_direction(float(self.statistic.directions[cell]), formats.language),
            speed=formats.number(float(self.statistic.speeds[ring])),
            value=self.describe(float(self.statistic.values[ring, cell])),
        )

    def svg(self, formats: Formats) -> Markup:
        """The map; the style sheet sets the colour, which is denser for higher values."""
        if self.is_empty:
            return Markup("")
        values = self.statistic.values
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        cells = (
            self._draw_cell(ring, cell, (float(value) - low) / (high - low or 1.0))
            for (ring, cell), value in np.ndenumerate(values)
            if math.isfinite(value)
        )
        shares = (0.5, 1.0)
        return draw_round(
            formats,
            self.title,
            "".join(cells)
            + "".join(draw_ring(share * RADIUS) for share in shares)
            + "".join(self._draw_speed(formats, share) for share in shares),
        )

    def _draw_cell(self, ring: int, cell: int, share: float) -> str:
        inner, outer = (RADIUS * number / len(self.statistic.speeds) for number in (ring, ring + 1))
        half = 180.0 / len(self.statistic.directions)
        direction = float(self.statistic.directions[cell])
        (x1, y1), (x2, y2) = (polar_point(direction + turn, outer) for turn in (-half, half))
        (x3, y3), (x4, y4) = (polar_point(direction + turn, inner) for turn in (half, -half))
        back = f"L{x3:.1f} {y3:.1f}A{inner:.1f} {inner:.1f} 0 0 0 {x4:.1f} {y4:.1f}Z" if ring else "L0 0Z"
        opacity = _FAINTEST + (1 - _FAINTEST) * share
        return (
            f'<path class="cell" fill-opacity="{opacity:.2f}" '
            f'd="M{x1:.1f} {y1:.1f}A{outer:.1f} {outer:.1f} 0 0 1 {x2:.1f} {y2:.1f}{back}"/>'
        )

    def _draw_speed(self, formats: Formats, share: float) -> str:
        x, y = polar_point(22.5, share * RADIUS)
        text = f"{formats.number(share * self.statistic.top_speed)} m/s"
        return f'<text class="tick" x="{x:.0f}" y="{y:.0f}" text-anchor="middle">{text}</text>'


def build_wind_maps(
    means: Sequence[Mean],
    directions: Sequence[Mean],
    speeds: Sequence[Mean],
    titles: tuple[str, str],
    describe: Callable[[float], str],
    *,
    rule: AveragingRule,
) -> list[WindMap]:
    """The map of the mean and that of the share of high values, of periods with a value and a wind; without empty maps.

    `titles`: of both; `describe`: the text of a mean; `rule`: how the values are averaged.
    """
    by_start = [{mean.start: mean.mean for mean in rows} for rows in (means, directions, speeds)]
    rows = [[values.get(start) for values in by_start] for start in by_start[0]]
    columns = np.array(rows, dtype=np.float64).reshape(-1, 3)
    arguments = columns[:, 0], columns[:, 2], columns[:, 1]
    maps = [
        WindMap(
            title=titles[0],
            statistic=compute_nwr(*arguments, cells=_CELLS, rings=_RINGS, rule=rule),
            describe=describe,
        ),
        WindMap(
            title=titles[1],
            statistic=compute_cpf(*arguments, cells=_CELLS, rings=_RINGS),
            describe=lambda share: f"{100 * share:.0f} %",
        ),
    ]
    return [item for item in maps if not item.is_empty]
