"""The charts of a plume: one for each property, with a line for each station on one time axis."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.api.pages.chart import Chart, Line, MarkedPeriod
from gateway.api.pages.event_texts import ChartPeriod, choose_chart_period
from gateway.api.pages.formats import ARBITRARY_SCALE_UNITS
from gateway.api.pages.readings import GAP_SECONDS, average_ten_seconds, fetch_readings
from gateway.api.pages.renderer import View
from gateway.api.pages.station_extras import fetch_means
from gateway.api.schemas.plumes import Plume, PlumeEvent
from gateway.export.selection import Averaging
from gateway.model.properties import average_of

_MAX_CHARTS, _MAX_STATIONS = 5, 5
_HEIGHT, _HEIGHT_OF_FIRST = 190, 300


@dataclass(frozen=True, kw_only=True)
class PropertyChart:
    """The chart of one property and the names of its lines, in their order. `is_short`: of single readings."""

    observed_property: str
    chart: Chart
    stations: Sequence[str]
    is_short: bool


async def build_charts(view: View, plume: Plume, neighbours: Sequence[str] = ()) -> list[PropertyChart]:
    """One chart a property, the leading property first. Every chart has the stations of the plume that measure it.

    `neighbours`: further stations for the chart of the leading property, on the same axis.
    """
    end = None if plume.end is None else datetime.fromisoformat(plume.end)
    period = choose_chart_period(datetime.fromisoformat(plume.onset), end, view.now)
    charts = [
        await _build_chart(view, plume, name, period, neighbours if name == plume.properties[0] else ())
        for name in plume.properties[:_MAX_CHARTS]
    ]
    return [chart for chart in charts if chart.stations]


async def _build_chart(
    view: View, plume: Plume, name: str, period: ChartPeriod, neighbours: Sequence[str]
) -> PropertyChart:
    events = [event for event in plume.events if event.observed_property == name]
    leading = events[0]
    station_ids = list(dict.fromkeys([leading.station, *(station.id for station in plume.stations), *neighbours]))
    is_raw_signal = view.is_raw_signal(leading.unit)
    lines: list[Line] = []
    names: list[str] = []
    for id_ in station_ids[:_MAX_STATIONS]:
        points = await _fetch_points(view, id_, name, period, is_leading=id_ == leading.station)
        if is_raw_signal:
            points = _scale_to_background(points, next((e for e in events if e.station == id_), leading).background)
        if points:
            step = GAP_SECONDS if period.is_short else 60.0
            lines.append(Line(points=points, css=f"series s{len(lines)}", step=step, stepped=not period.is_short))
            names.append(_name_station(view, id_))
    chart = Chart(
        title=view.texts["chart_plume"].format(name=view.name_of(name), stations=", ".join(names)),
        unit=view.texts["share_unit"] if is_raw_signal else view.unit_of(leading.unit),
        start=period.start,
        end=period.end,
        lines=lines[::-1],  # the first station on top
        spans=[_mark_event(view, event) for event in events if event.change != "voided"],
        height=_HEIGHT_OF_FIRST if name == plume.properties[0] else _HEIGHT,
        from_zero=leading.unit not in ARBITRARY_SCALE_UNITS,
    )
    return PropertyChart(observed_property=name, chart=chart, stations=names, is_short=period.is_short)


async def _fetch_points(
    view: View, station: str, name: str, period: ChartPeriod, *, is_leading: bool
) -> Sequence[tuple[datetime, float | None]]:
    """Single readings at the leading station and means over ten seconds elsewhere; minute means of a long plume."""
    span = period.start, period.end
    if not period.is_short:
        means = await fetch_means(view, station, name, span, Averaging.MINUTE)
        return [(datetime.fromisoformat(mean.start), mean.mean) for mean in means]
    readings = await fetch_readings(view, station, name, span)
    return readings if is_leading else average_ten_seconds(readings, average_of(name))


def _scale_to_background(
    points: Sequence[tuple[datetime, float | None]], background: float
) -> Sequence[tuple[datetime, float | None]]:
    """Values of a raw signal in percents of its background at that station."""
    if background <= 0:
        return points
    return [(at, None if value is None else 100 * value / background) for at, value in points]


def _name_station(view: View, id_: str) -> str:
    station = view.latest_values.registry.stations.get(id_)
    return id_ if station is None else station.name


def _mark_event(view: View, event: PlumeEvent) -> MarkedPeriod:
    value = view.peak(event.peak, event.background, event.unit)
    return MarkedPeriod(
        start=datetime.fromisoformat(event.onset),
        end=view.now if event.end is None else datetime.fromisoformat(event.end),
        css="marked",
        label=f"{event.station_name}: {value}, {view.averaging(event.peak_averaging)}",
    )
