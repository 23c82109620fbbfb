"""Figures of a dossier as SVG: the readings over time, and the wind. The same values give the same bytes. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from math import nan

from alerting.vocabulary import LOCAL_TIMEZONE, localize_decimal
from gateway.api.pages.chart import build_ticks
from gateway.api.pages.formats import ARBITRARY_SCALE_UNITS, Formats
from gateway.dossier.contents import Chapter, MinuteMean, Series, StoredReading, WindMinutes
from gateway.dossier.plot import Axis, Plot, choose_axis, encode_figure
from gateway.model.texts import texts_of
from gateway.model.validity import is_excluded

MAX_SINGLE_READINGS = 4_000  # more are drawn by minute
_GAP_FACTOR = 3.0  # a pause of so many usual steps is a gap
_MINUTE = timedelta(minutes=1)
_CURVE_HEIGHT, _WIND_HEIGHT = 215.0, 84.0  # pixels between the axes
_BETWEEN = 16.0  # pixels between the two plots of the wind
_RAW, _HIGHEST, _CORRECTED, _BACKGROUND = "#12507b", "#4f9ac9", "#b34a00", "#2c6e2f"
_EVENT, _FLAGGED, _GAP, _EXCLUDED, _NEIGHBOUR = "#fde9b8", "#8a8a8a", "#ececec", "#a3123a", "#a8a29a"

Points = list[tuple[float, float]]


def draw_curve(chapter: Chapter, start: datetime, end: datetime, formats: Formats) -> bytes:
    """Draw the readings of one property: raw, corrected, background, events, flags and gaps."""
    texts = texts_of("dossier", formats.language)
    step = _usual_step(chapter.series)
    unit = formats.unit_of(chapter.observed_property.unit)
    y_axis = choose_axis(
        _list_values(chapter),
        f"{formats.name_of(chapter.observed_property.id)} ({unit})",
        localize_decimal(".", formats.language),
        from_zero=_starts_at_zero(chapter),
    )
    plot = Plot(_time_axis(start, end, formats), y_axis, height=_CURVE_HEIGHT)
    _draw_spans(plot, chapter.series, start, step, (texts["legend_flagged"], texts["legend_gap"]))
    _draw_events(plot, chapter, start, end, texts["legend_event"])
    for number, neighbour in enumerate(chapter.neighbours):
        label = texts["legend_neighbours"] if number == 0 else None
        plot.add_line(_break_line(neighbour.means, start, 60.0), _NEIGHBOUR, label, width=0.9)
    _draw_values(plot, chapter.series, start, step, formats)
    _draw_background(plot, chapter, start, end, texts["legend_background"])
    return encode_figure(iter([*plot.draw(), *plot.draw_legend()]), plot.bottom + plot.legend_height)


def draw_wind(wind: WindMinutes, start: datetime, end: datetime, formats: Formats) -> bytes:
    """Draw direction and speed of the wind by minutes, one above the other."""
    texts, times = texts_of("dossier", formats.language), _time_axis(start, end, formats)
    directions = [(float(degrees), str(degrees)) for degrees in (0, 90, 180, 270, 360)]
    direction_axis = Axis(low=0.0, high=360.0, ticks=directions, label=texts["axis_direction"])
    upper = Plot(times, direction_axis, height=_WIND_HEIGHT)
    upper.add_line(_draw_dashes(wind.direction.minutes, start), _RAW, width=2.4)
    minutes = [] if wind.speed is None else wind.speed.minutes
    line = _break_line([(minute.start, minute.mean) for minute in minutes], start, 60.0)
    comma = localize_decimal(".", formats.language)
    speed_axis = choose_axis([y for _, y in line], texts["axis_speed"], comma, from_zero=True)
    lower = Plot(times, speed_axis, height=_WIND_HEIGHT, top=upper.bottom + _BETWEEN)
    lower.add_line(line, _RAW)
    return encode_figure(iter([*upper.draw(has_times=False), *lower.draw()]), lower.bottom + lower.legend_height)


def _list_values(chapter: Chapter) -> list[float]:
    """Everything that the vertical axis must have room for."""
    minutes = chapter.series.minutes
    readings = [reading.valid for reading in chapter.series.readings]
    backgrounds = [event.document.background for event in chapter.events if event.is_peak]
    neighbours = [mean for neighbour in chapter.neighbours for _, mean in neighbour.means]
    corrected = [minute.corrected for minute in minutes]
    excluded = [reading.value for reading in _list_excluded(chapter.series)]
    values = [*readings, *backgrounds, *neighbours, *corrected, *excluded]
    return [value for value in values if value is not None]


def _time_axis(start: datetime, end: datetime, formats: Formats) -> Axis:
    """Round local times, with the date below."""
    day = start.astimezone(LOCAL_TIMEZONE)
    return Axis(
        low=0.0,
        high=_seconds(end, start),
        ticks=[(_seconds(at, start), label) for at, label in build_ticks(start, end)],
        label=texts_of("dossier", formats.language)["axis_time"].format(date=formats.date_of(day.isoformat())),
    )


def _draw_values(plot: Plot, series: Series, start: datetime, step: float, formats: Formats) -> None:
    """Single readings, or minutes if there are too many; then the corrected values, then the excluded ones."""
    texts = texts_of("dossier", formats.language)
    minutes = series.minutes
    if len(series.readings) <= MAX_SINGLE_READINGS:
        points = [(reading.at, reading.valid) for reading in series.readings]
        plot.add_line(_break_line(points, start, step), _RAW, texts["legend_raw"])
    else:
        highest = [(minute.start, minute.max) for minute in minutes]
        means = [(minute.start, minute.mean) for minute in minutes]
        plot.add_line(_break_line(highest, start, 60.0), _HIGHEST, texts["legend_highest"])
        plot.add_line(_break_line(means, start, 60.0), _RAW, texts["legend_minutes"])
    corrected = [(minute.start + _MINUTE / 2, minute.corrected) for minute in minutes]
    if any(value is not None for _, value in corrected):
        plot.add_line(_break_line(corrected, start, 60.0), _CORRECTED, texts["legend_corrected"], dashes="5 3")
    excluded = [(_seconds(reading.at, start), reading.value or 0.0) for reading in _list_excluded(series)]
    if excluded:
        plot.add_crosses(excluded, _EXCLUDED, texts["legend_excluded"])


def _list_excluded(series: Series) -> list[StoredReading]:
    """Excluded readings up to twice the largest valid one: an absurd value would flatten the curve."""
    largest = 2 * max((abs(reading.valid) for reading in series.readings if reading.valid is not None), default=1.0)
    return [
        reading
        for reading in series.readings[:: max(1, len(series.readings) // MAX_SINGLE_READINGS)]
        if reading.value is not None and is_excluded(reading.flags) and abs(reading.value) <= largest
    ]


def _draw_background(plot: Plot, chapter: Chapter, start: datetime, end: datetime, label: str) -> None:
    """The background of each event, over the whole figure if there is one event alone."""
    for number, event in enumerate(event for event in chapter.events if event.is_peak):
        is_single = len(chapter.events) == 1
        first, last = (start, end) if is_single else (event.onset, event.end or end)
        points = [(_seconds(at, start), event.document.background) for at in (first, last)]
        plot.add_line(points, _BACKGROUND, label if number == 0 else None, width=1.3, dashes="1.5 2")


def _draw_events(plot: Plot, chapter: Chapter, start: datetime, end: datetime, label: str) -> None:
    for number, event in enumerate(event for event in chapter.events if event.is_peak):
        first, last = _seconds(max(start, event.onset), start), _seconds(min(end, event.end or end), start)
        plot.add_span(first, last, _EVENT, label if number == 0 else None)


def _draw_spans(plot: Plot, series: Series, start: datetime, step: float, labels: tuple[str, str]) -> None:
    """Grey the gaps, and hatch minutes with a flag."""
    for number, (first, last) in enumerate(find_gaps(series, step)):
        plot.add_span(_seconds(first, start), _seconds(last, start), _GAP, labels[1] if number == 0 else None)
    flagged = _merge_minutes([minute for minute in series.minutes if minute.flags])
    for number, (first, last) in enumerate(flagged):
        label = labels[0] if number == 0 else None
        plot.add_hatch(_seconds(first, start), _seconds(last, start), _FLAGGED, label)


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
    line = Points()
    longest = max(1.5 * step, 10.0)
    for at, value in points:
        x = _seconds(at, start)
        if line and x - line[-1][0] > longest:
            line.append((x, nan))
        line.append((x, nan if value is None else value))
    return line


def _draw_dashes(minutes: Sequence[MinuteMean], start: datetime) -> Points:
    """A dash per minute: directions are not connected, because 359 and 1 are neighbours. One path, for speed."""
    line = Points()
    for minute in minutes:
        if minute.mean is not None:
            first, last = _seconds(minute.start, start), _seconds(minute.end, start)
            line += [(first, minute.mean), (last, minute.mean), (last, nan)]
    return line


def _seconds(at: datetime, start: datetime) -> float:
    return (at - start).total_seconds()


def _starts_at_zero(chapter: Chapter) -> bool:
    return chapter.observed_property.lower == 0 and chapter.observed_property.unit not in ARBITRARY_SCALE_UNITS
