"""A plot as SVG: axes with a grid, lines, marked spans, crosses, and a legend below. Pure.

The same values give the same bytes. A line breaks at NaN. Coordinates have tenths of a pixel.
"""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise
from math import floor, isnan, log10

from msgspec import Struct

from gateway.api.pages.chart import round_step

WIDTH = 682.0  # pixels at 96 per inch, the width of the text on paper
_LEFT, _RIGHT, _TOP, _BOTTOM = 62.0, 10.0, 8.0, 40.0
_LEGEND_ROW, _LEGEND_COLUMNS, _LEGEND_LINE = 16.0, 2, 24.0  # two columns: a label has up to 40 letters
_HATCH_STEP = 6.0
_INK, _GRID, _FRAME = "#222222", "#dddddd", "#555555"
_FONT = "Dossier, 'DejaVu Sans', sans-serif"
_FONT_SIZE = 10.7  # 8 points

Points = Sequence[tuple[float, float]]
"""(x, y) in units of the axes; y NaN: the line breaks."""


class Axis(Struct, frozen=True, kw_only=True):
    """A scale from `low` to `high`, with ticks (value, label) and a label beside it."""

    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    label: str = ""


def choose_axis(values: Sequence[float], label: str, comma: str, *, from_zero: bool) -> Axis:
    """Return the axis with round ticks that has room for these values."""
    finite_values = [value for value in values if not isnan(value)]
    low, high = min(finite_values, default=0.0), max(finite_values, default=1.0)
    low = min(0.0, low) if from_zero else low
    step = round_step((high - low or 1.0) / 5)
    first, last = floor(low / step), floor(high * 1.02 / step) + 1
    places = max(0, -floor(log10(step)))
    ticks = [(n * step, f"{n * step:.{places}f}".replace(".", comma)) for n in range(first, last + 1)]
    return Axis(low=first * step, high=last * step, ticks=ticks, label=label)


class Plot:
    """One pair of axes, at `top` pixels from the upper edge; what is drawn first lies below."""

    def __init__(self, x: Axis, y: Axis, *, height: float, top: float = _TOP) -> None:
        """`height`: of the area between the axes, in pixels."""
        self._x_axis, self._y_axis = x, y
        self.top, self.bottom = top, top + height
        self._below, self._above = list[str](), list[str]()
        self._legend = list[tuple[str, str]]()

    def add_span(self, first: float, last: float, color: str, label: str | None) -> None:
        """Colour a part of the horizontal axis."""
        x, width = self._x(first), self._x(last) - self._x(first)
        self._below.append(f'<rect x="{x:.1f}" y="{self.top:.1f}" width="{width:.1f}" height="{self._height:.1f}" '
                           f'fill="{color}"/>')  # fmt: skip
        self._explain(label, f'<rect width="{_LEGEND_LINE}" height="8" y="-4" fill="{color}"/>')

    def add_hatch(self, first: float, last: float, color: str, label: str | None) -> None:
        """Hatch a part of the horizontal axis with diagonal lines."""
        path = "".join(_hatch(self._x(first), self._x(last), self.top, self.bottom))
        style = f'fill="none" stroke="{color}" stroke-width="0.5"'
        self._below.append(f'<path d="{path}" {style}/>')
        self._explain(label, f'<path d="{"".join(_hatch(0.0, _LEGEND_LINE, -4.0, 4.0))}" {style}/>')

    def add_line(
        self, points: Points, color: str, label: str | None = None, *, width: float = 1.2, dashes: str = ""
    ) -> None:
        """Draw a line, with a break at each NaN. `dashes`: as `stroke-dasharray`."""
        style = f'fill="none" stroke="{color}" stroke-width="{width}"' + (
            f' stroke-dasharray="{dashes}"' * bool(dashes)
        )
        self._above.append(f'<path d="{self._trace(points)}" {style}/>')
        self._explain(label, f'<path d="M0 0H{_LEGEND_LINE}" {style}/>')

    def add_crosses(self, points: Points, color: str, label: str) -> None:
        """Draw a cross at each point."""
        cross, style = "m-2 -2l4 4m0 -4l-4 4", f'fill="none" stroke="{color}" stroke-width="0.9"'
        path = "".join(f"M{self._x(x):.1f} {self._y(y):.1f}{cross}" for x, y in points)
        self._above.append(f'<path d="{path}" {style}/>')
        self._explain(label, f'<path d="M{_LEGEND_LINE / 2} 0{cross}" {style}/>')

    def draw(self, *, has_times: bool = True) -> Iterator[str]:
        """Yield the elements. `has_times`: with the labels of the horizontal axis."""
        yield from self._below
        yield from self._draw_grid(has_times=has_times)
        yield from self._above
        yield f'<path d="M{_LEFT} {self.top:.1f}V{self.bottom:.1f}H{WIDTH - _RIGHT}" fill="none" stroke="{_FRAME}"/>'
        middle = (self.top + self.bottom) / 2
        yield _write(16, middle, self._y_axis.label, f'text-anchor="middle" transform="rotate(-90 16 {middle:.1f})"')
        if has_times:
            yield _write((_LEFT + WIDTH - _RIGHT) / 2, self.bottom + 33, self._x_axis.label, 'text-anchor="middle"')

    def draw_legend(self) -> Iterator[str]:
        """Yield the explanations, in two columns below the axes."""
        column = (WIDTH - _LEFT - _RIGHT) / _LEGEND_COLUMNS
        for number, (label, symbol) in enumerate(self._legend):
            x = _LEFT + number % _LEGEND_COLUMNS * column
            y = self.bottom + _BOTTOM + (number // _LEGEND_COLUMNS + 0.5) * _LEGEND_ROW
            yield f'<g transform="translate({x:.1f} {y:.1f})">{symbol}{_write(_LEGEND_LINE + 6, 4, label)}</g>'

    @property
    def legend_height(self) -> float:
        """Pixels that the legend needs below `bottom`, with the labels of the axis."""
        return _BOTTOM + -(-len(self._legend) // _LEGEND_COLUMNS) * _LEGEND_ROW + 4

    @property
    def _height(self) -> float:
        return self.bottom - self.top

    def _x(self, value: float) -> float:
        axis = self._x_axis
        return _LEFT + (value - axis.low) / (axis.high - axis.low) * (WIDTH - _LEFT - _RIGHT)

    def _y(self, value: float) -> float:
        axis = self._y_axis
        return self.bottom - (value - axis.low) / (axis.high - axis.low) * self._height

    def _trace(self, points: Points) -> str:
        """Path of a line; a point on the pixel of the one before is left out, and a single one is a dash."""
        parts, previous = list[str](), ""
        for (x, y), (_, following) in pairwise([*points, (0.0, float("nan"))]):
            if isnan(y):
                previous = ""
                continue
            place = f"{self._x(x):.1f} {self._y(y):.1f}"
            if place != previous:
                parts.append(("L" if previous else "M") + place + ("h.5" if not previous and isnan(following) else ""))
            previous = place
        return "".join(parts)

    def _draw_grid(self, *, has_times: bool) -> Iterator[str]:
        vertical = "".join(f"M{self._x(at):.1f} {self.top:.1f}V{self.bottom:.1f}" for at, _ in self._x_axis.ticks)
        horizontal = "".join(f"M{_LEFT} {self._y(at):.1f}H{WIDTH - _RIGHT}" for at, _ in self._y_axis.ticks)
        yield f'<path d="{vertical}{horizontal}" fill="none" stroke="{_GRID}" stroke-width="0.7"/>'
        for at, label in self._y_axis.ticks:
            yield _write(_LEFT - 5, self._y(at) + 4, label, 'text-anchor="end"')
        for at, label in self._x_axis.ticks if has_times else ():
            yield _write(self._x(at), self.bottom + 16, label, 'text-anchor="middle"')

    def _explain(self, label: str | None, symbol: str) -> None:
        if label is not None:
            self._legend.append((label, symbol))


def encode_figure(elements: Iterator[str], height: float) -> bytes:
    """Return the elements as one SVG of this height in pixels."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
        f'viewBox="0 0 {WIDTH} {height:.0f}" font-family="{_FONT}" font-size="{_FONT_SIZE}" fill="{_INK}">'
        f"{''.join(elements)}</svg>"
    ).encode()


def _hatch(left: float, right: float, top: float, bottom: float) -> Iterator[str]:
    """Diagonal lines from the lower left to the upper right within a rectangle."""
    height, start = bottom - top, floor((left - (bottom - top)) / _HATCH_STEP) * _HATCH_STEP
    for number in range(int((right - start) / _HATCH_STEP) + 1):
        x = start + number * _HATCH_STEP
        first, last = max(left, x), min(right, x + height)
        if first < last:
            yield f"M{first:.1f} {bottom - (first - x):.1f}L{last:.1f} {bottom - (last - x):.1f}"


def _write(x: float, y: float, text: str, attributes: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {attributes}>{escape(text)}</text>' if text else ""
