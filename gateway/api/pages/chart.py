"""Charts as SVG, drawn on the server, for readers without JavaScript, printers and screen readers. Pure.

A line breaks if a value is missing, so a gap stays visible. Periods with flagged values are hatched behind the line.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from math import ceil, floor, log10

from markupsafe import Markup, escape

from alerting.vocabulary import LOCAL_TIMEZONE

_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 14, 26
_TICK_STEPS = (  # hours between ticks, and the format of their labels
    *((hours, "%H:%M") for hours in (1 / 60, 1 / 30, 1 / 12, 0.25, 0.5, 1, 4)),
    *((24.0 * days, "%d-%m") for days in (1, 5)),
    *((24.0 * days, "%m-%Y") for days in (30, 90)),
)


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line: (time, value) in order of time, with its class; a pause over 1.5 `step` seconds is a gap.

    `stepped`: a value is drawn over its whole period, which begins at its time and lasts `step` seconds.
    """

    points: Sequence[tuple[datetime, float | None]]
    css: str
    step: float
    stepped: bool = False


@dataclass(frozen=True, kw_only=True)
class MarkedPeriod:
    """A period that is marked behind the lines; `label` gives the reason."""

    start: datetime
    end: datetime
    css: str
    label: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One chart. `band`: (time, low, high) of the background. `title`: the description for screen readers."""

    title: str
    unit: str
    start: datetime
    end: datetime
    lines: Sequence[Line] = ()
    band: Sequence[tuple[datetime, float, float]] = ()
    spans: Sequence[MarkedPeriod] = ()
    width: int = 900
    height: int = 300
    from_zero: bool = True
    kind: str = "wide"

    @property
    def narrow(self) -> "Chart":
        """The same chart for a phone, with larger text; the style sheet shows one of the two."""
        return replace(self, width=430, height=320, kind="narrow")

    def svg(self, comma: str = ",") -> Markup:
        """The chart as SVG; the style sheet sets the colours. `comma`: the decimal separator."""
        return Markup(  # noqa: S704 - every text is escaped at its place
            f'<svg class="chart {self.kind}" viewBox="0 0 {self.width} {self.height}" '
            f'role="img" aria-label="{escape(self.title)}">'
            f"<title>{escape(self.title)}</title>"
            f'<defs><pattern id="hatch-{self.kind}" width="6" height="6" patternUnits="userSpaceOnUse" '
            'patternTransform="rotate(45)"><rect width="2" height="6" class="hatching"/></pattern></defs>'
            + "".join(map(self._draw_span, self.spans))
            + "".join(self._draw_grid(comma))
            + self._draw_band()
            + "".join(map(self._draw_line, self.lines))
            + "</svg>"
        )

    @property
    def top(self) -> float:
        """The upper end of the scale: a round number above every value."""
        return self._scale[1]

    @property
    def bottom(self) -> float:
        """The lower end of the scale: zero, or a round number below the lowest value."""
        return self._scale[0]

    @cached_property
    def _scale(self) -> tuple[float, float]:
        values = [value for line in self.lines for _, value in line.points if value is not None]
        largest = max([*values, *(high for _, _, high in self.band)], default=1.0)
        lowest = min(values, default=0.0)
        if not self.from_zero and lowest < largest:
            step = round_step((largest - lowest) / 3)
            return floor(lowest / step) * step, ceil(largest / step) * step
        step = round_step(max(largest, 1e-3) / 4)
        top = max(step, ceil(largest * 1.02 / step) * step)
        if lowest >= 0:
            return 0.0, top
        below = round_step(-lowest / 2)
        return floor(lowest / below) * below, top

    def x(self, at: datetime) -> float:
        """The x coordinate of a time."""
        share = (at - self.start) / (self.end - self.start)
        return _LEFT + min(1.0, max(0.0, share)) * (self.width - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        """The y coordinate of a value."""
        share = (value - self.bottom) / (self.top - self.bottom)
        return self.height - _BOTTOM - share * (self.height - _TOP - _BOTTOM)

    def _draw_line(self, line: Line) -> str:
        parts, previous = [], None
        top, bottom = self.top, self.bottom
        scale = (self.height - _TOP - _BOTTOM) / (top - bottom)
        for at, value in line.points:
            if value is None:
                previous = None
                continue
            is_continuous = previous is not None and (at - previous).total_seconds() <= line.step * 1.5
            y = self.height - _BOTTOM - (value - bottom) * scale
            parts.append(f"{'L' if is_continuous else 'M'}{self.x(at):.1f} {y:.1f}")
            if line.stepped:
                parts.append(f"H{max(self.x(at) + 0.1, self.x(at + timedelta(seconds=line.step))):.1f}")
            elif not is_continuous:
                parts.append("h.1")
            previous = at
        return f'<path class="line {line.css}" d="{"".join(parts)}"/>'

    def _draw_band(self) -> str:
        if len(self.band) < 2:
            return ""
        upper = "L".join(f"{self.x(at):.1f} {self.y(high):.1f}" for at, _, high in self.band)
        lower = "L".join(f"{self.x(at):.1f} {self.y(low):.1f}" for at, low, _ in reversed(self.band))
        return f'<path class="band" d="M{upper}L{lower}Z"/>'

    def _draw_span(self, span: MarkedPeriod) -> str:
        x = self.x(span.start)
        width = max(2.0, self.x(span.end) - x)
        return (
            f'<rect class="{span.css}" x="{x:.1f}" y="{_TOP}" width="{width:.1f}" '
            f'height="{self.height - _TOP - _BOTTOM}"><title>{escape(span.label)}</title></rect>'
        )

    def _draw_grid(self, comma: str) -> list[str]:
        parts, step = [], round_step((self.top - self.bottom) / 4)
        value = self.bottom
        while value <= self.top + step / 1e6:
            y = self.y(value)
            text = f"{value:.{max(0, -floor(log10(step)))}f}".replace(".", comma)
            parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{self.width - _RIGHT}"/>')
            parts.append(f'<text class="tick" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
            value += step
        for at, label in build_ticks(self.start, self.end, max(4, self.width // 110)):
            x = self.x(at)
            parts.append(f'<path class="grid" d="M{x:.1f} {_TOP}V{self.height - _BOTTOM}"/>')
            parts.append(f'<text class="tick" x="{x:.1f}" y="{self.height - 8}" text-anchor="middle">{label}</text>')
        return parts


def build_ticks(start: datetime, end: datetime, max_ticks: int = 8) -> list[tuple[datetime, str]]:
    """At most about `max_ticks` round local times, with their labels."""
    hours = (end - start).total_seconds() / 3600
    step, time_format = next(
        (tick_step for tick_step in _TICK_STEPS if hours / tick_step[0] <= max_ticks), _TICK_STEPS[-1]
    )
    local = start.astimezone(LOCAL_TIMEZONE)
    at = local.replace(hour=0, minute=0, second=0, microsecond=0)
    marks = []
    while at < end:
        if at >= start:
            marks.append((at, f"{at:{time_format}}"))
        at = (at.replace(tzinfo=None) + timedelta(hours=step)).replace(tzinfo=LOCAL_TIMEZONE)
    return marks


def round_step(minimum: float) -> float:
    """The smallest 1, 2 or 5 times a power of ten that is at least `minimum`."""
    power = 10.0 ** floor(log10(minimum))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= minimum * 0.999)
