"""Figures of a dossier as SVG: the readings over time, and the wind. The same values give the same bytes.

matplotlib draws them with its own font, with ids that follow from a fixed salt, and without the date.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from math import nan
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from alerting.vocabulary import LOCAL_TIMEZONE, localize_decimal
from gateway.api.pages.chart import build_ticks
from gateway.api.pages.formats import ARBITRARY_SCALE_UNITS, Formats
from gateway.dossier.contents import Chapter, MinuteMean, Series, WindMinutes
from gateway.model.texts import texts_of
from gateway.model.validity import is_excluded

MAX_SINGLE_READINGS = 4_000  # more are drawn by minute
_GAP_FACTOR = 3.0  # a pause of so many usual steps is a gap
_MINUTE = timedelta(minutes=1)
_WIDTH = 7.1  # inches, the width of the text on paper
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "piekwacht",
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.linewidth": 0.6,
    "hatch.linewidth": 0.5,
    "path.simplify": False,
}
_RAW, _HIGHEST, _CORRECTED, _BACKGROUND = "#12507b", "#4f9ac9", "#b34a00", "#2c6e2f"
_EVENT, _FLAGGED, _GAP, _EXCLUDED, _NEIGHBOUR = "#fde9b8", "#8a8a8a", "#ececec", "#a3123a", "#a8a29a"

Points = tuple[list[float], list[float]]


def draw_curve(chapter: Chapter, start: datetime, end: datetime, formats: Formats) -> bytes:
    """Draw the readings of one property: raw, corrected, background, events, flags and gaps."""
    texts = texts_of("dossier", formats.language)
    with _open_figure(height=3.1) as (figure, axes):
        step = _usual_step(chapter.series)
        _draw_events(axes, chapter, start, end, texts["legend_event"])
        _draw_spans(axes, chapter.series, start, step, (texts["legend_flagged"], texts["legend_gap"]))
        for number, neighbour in enumerate(chapter.neighbours):
            label = texts["legend_neighbours"] if number == 0 else None
            axes.plot(*_break_line(neighbour.means, start, 60.0), color=_NEIGHBOUR, linewidth=0.7, label=label)
        _draw_values(axes, chapter.series, start, step, formats)
        _draw_background(axes, chapter, start, end, texts["legend_background"])
        _finish_axes(axes, start, end, formats)
        unit = formats.unit_of(chapter.observed_property.unit)
        axes.set_ylabel(f"{formats.name_of(chapter.observed_property.id)} ({unit})")
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]) if _starts_at_zero(chapter) else None)
        _draw_legend(figure, axes)
        return _encode(figure)


def draw_wind(wind: WindMinutes, start: datetime, end: datetime, formats: Formats) -> bytes:
    """Draw direction and speed of the wind by minutes, one above the other."""
    texts = texts_of("dossier", formats.language)
    with _open_figure(height=2.6, rows=2) as (figure, direction_axes):
        speed_axes = figure.axes[1]
        direction_axes.plot(*_draw_dashes(wind.direction.minutes, start), color=_RAW, linewidth=1.8)
        direction_axes.set_ylim(0, 360)
        direction_axes.set_yticks([0, 90, 180, 270, 360])
        direction_axes.set_ylabel(texts["axis_direction"])
        if wind.speed is not None:
            means = [(minute.start, minute.mean) for minute in wind.speed.minutes]
            speed_axes.plot(*_break_line(means, start, 60.0), color=_RAW, linewidth=0.9)
        speed_axes.set_ylim(bottom=0)
        speed_axes.set_ylabel(texts["axis_speed"])
        _finish_axes(speed_axes, start, end, formats)
        direction_axes.set_xlim(speed_axes.get_xlim())
        direction_axes.set_xticks(speed_axes.get_xticks(), labels=[])
        direction_axes.grid(color="#dddddd", linewidth=0.5)
        figure.align_ylabels()
        return _encode(figure)


@contextmanager
def _open_figure(*, height: float, rows: int = 1) -> Iterator[tuple[Figure, Axes]]:
    """A figure in the style of dossiers, whatever style the machine has configured."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        figure.subplots(rows, 1)
        yield figure, figure.axes[0]


def _encode(figure: Figure) -> bytes:
    output = io.BytesIO()
    figure.savefig(output, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return output.getvalue().replace(b"'DejaVu Sans'", b"Dossier, 'DejaVu Sans', sans-serif")


def _draw_values(axes: Axes, series: Series, start: datetime, step: float, formats: Formats) -> None:
    """Single readings, or minutes if there are too many; then the corrected values, then the excluded ones."""
    texts = texts_of("dossier", formats.language)
    minutes = series.minutes
    if len(series.readings) <= MAX_SINGLE_READINGS:
        points = [(reading.at, reading.valid) for reading in series.readings]
        axes.plot(*_break_line(points, start, step), color=_RAW, linewidth=0.9, label=texts["legend_raw"])
    else:
        highest = [(minute.start, minute.max) for minute in minutes]
        means = [(minute.start, minute.mean) for minute in minutes]
        axes.plot(*_break_line(highest, start, 60.0), color=_HIGHEST, linewidth=0.9, label=texts["legend_highest"])
        axes.plot(*_break_line(means, start, 60.0), color=_RAW, linewidth=1.0, label=texts["legend_minutes"])
    corrected = [(minute.start + _MINUTE / 2, minute.corrected) for minute in minutes]
    if any(value is not None for _, value in corrected):
        line = _break_line(corrected, start, 60.0)
        axes.plot(*line, color=_CORRECTED, linewidth=1.0, linestyle=(0, (4, 2)), label=texts["legend_corrected"])
    excluded = [
        (_seconds(reading.at, start), reading.value)
        for reading in series.readings[:: max(1, len(series.readings) // MAX_SINGLE_READINGS)]
        if reading.value is not None and is_excluded(reading.flags) and abs(reading.value) <= _largest(series)
    ]
    if excluded:
        xs, ys = zip(*excluded, strict=True)
        axes.plot(xs, ys, "x", color=_EXCLUDED, markersize=3, markeredgewidth=0.7, label=texts["legend_excluded"])


def _largest(series: Series) -> float:
    """Excluded values are drawn up to twice the largest valid one: an absurd value would flatten the curve."""
    return 2 * max((abs(reading.valid) for reading in series.readings if reading.valid is not None), default=1.0)


def _draw_background(axes: Axes, chapter: Chapter, start: datetime, end: datetime, label: str) -> None:
    """The background of each event, over the whole figure if there is one event alone."""
    for number, event in enumerate(event for event in chapter.events if event.is_peak):
        is_single = len(chapter.events) == 1
        first, last = (start, end) if is_single else (event.onset, event.end or end)
        xs = [_seconds(first, start), _seconds(last, start)]
        axes.plot(
            xs,
            [event.document.background] * 2,
            color=_BACKGROUND,
            linewidth=1.0,
            linestyle=(0, (1, 1.5)),
            label=label if number == 0 else None,
        )


def _draw_events(axes: Axes, chapter: Chapter, start: datetime, end: datetime, label: str) -> None:
    for number, event in enumerate(event for event in chapter.events if event.is_peak):
        first, last = _seconds(max(start, event.onset), start), _seconds(min(end, event.end or end), start)
        axes.axvspan(first, last, color=_EVENT, linewidth=0, label=label if number == 0 else None)


def _draw_spans(axes: Axes, series: Series, start: datetime, step: float, labels: tuple[str, str]) -> None:
    """Hatch minutes with a flag, and grey the gaps."""
    flagged = _merge_minutes([minute for minute in series.minutes if minute.flags])
    for number, (first, last) in enumerate(flagged):
        span = _seconds(first, start), _seconds(last, start)
        label = labels[0] if number == 0 else None
        axes.axvspan(*span, facecolor="none", edgecolor=_FLAGGED, hatch="////", linewidth=0, alpha=0.5, label=label)
    for number, (first, last) in enumerate(find_gaps(series, step)):
        label = labels[1] if number == 0 else None
        axes.axvspan(_seconds(first, start), _seconds(last, start), color=_GAP, linewidth=0, label=label)


def find_gaps(series: Series, step: float) -> list[tuple[datetime, datetime]]:
    """Return the pauses of more than three usual steps (s), also before the first reading and after the last."""
    selection = series.selection
    times = [selection.start, *(reading.at for reading in series.readings), selection.end]
    longest = timedelta(seconds=max(_GAP_FACTOR * step, 10.0))
    return [(before, after) for before, after in pairwise(times) if after - before > longest]


def _merge_minutes(minutes: Sequence[MinuteMean]) -> list[tuple[datetime, datetime]]:
    spans: list[tuple[datetime, datetime]] = []
    for minute in minutes:
        if spans and spans[-1][1] == minute.start:
            spans[-1] = spans[-1][0], minute.end
        else:
            spans.append((minute.start, minute.end))
    return spans


def _usual_step(series: Series) -> float:
    """The median time between two readings in s; 60 for fewer than two."""
    steps = sorted((after.at - before.at).total_seconds() for before, after in pairwise(series.readings))
    return steps[len(steps) // 2] if steps else 60.0


def _break_line(points: Sequence[tuple[datetime, float | None]], start: datetime, step: float) -> Points:
    """The points of a line that breaks at missing values and at pauses of more than one and a half steps (s)."""
    xs, ys = list[float](), list[float]()
    longest = max(1.5 * step, 10.0)
    for at, value in points:
        x = _seconds(at, start)
        if xs and x - xs[-1] > longest:
            xs.append(x)
            ys.append(nan)
        xs.append(x)
        ys.append(nan if value is None else value)
    return xs, ys


def _draw_dashes(minutes: Sequence[MinuteMean], start: datetime) -> Points:
    """A dash per minute: directions are not connected, because 359 and 1 are neighbours. One path, for speed."""
    xs, ys = list[float](), list[float]()
    for minute in minutes:
        if minute.mean is not None:
            xs += [_seconds(minute.start, start), _seconds(minute.end, start), nan]
            ys += [minute.mean, minute.mean, nan]
    return xs, ys


def _seconds(at: datetime, start: datetime) -> float:
    return (at - start).total_seconds()


def _starts_at_zero(chapter: Chapter) -> bool:
    return chapter.observed_property.lower == 0 and chapter.observed_property.unit not in ARBITRARY_SCALE_UNITS


def _finish_axes(axes: Axes, start: datetime, end: datetime, formats: Formats) -> None:
    """Round local times below, numbers with the language's decimal sign on the left."""
    ticks = build_ticks(start, end)
    axes.set_xlim(0, _seconds(end, start))
    axes.set_xticks([_seconds(at, start) for at, _ in ticks], labels=[label for _, label in ticks])
    axes.yaxis.set_major_formatter(lambda value, _: localize_decimal(f"{value:g}", formats.language))
    axes.grid(color="#dddddd", linewidth=0.5)
    axes.set_axisbelow(True)
    day = start.astimezone(LOCAL_TIMEZONE)
    axes.set_xlabel(texts_of("dossier", formats.language)["axis_time"].format(date=formats.date_of(day.isoformat())))


def _draw_legend(figure: Figure, axes: Axes) -> None:
    """Below the axes, so that it covers no reading."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
