"""Parts of the station page beside its own curve: curves of other stations, and its values against the wind."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from alerting.averaging import AveragingRule
from gateway.api.data.averages import MeanCache
from gateway.api.data.gazetteer import sort_by_distance
from gateway.api.data.registry import StationRow
from gateway.api.pages.chart import Line
from gateway.api.pages.polar import PolarPlot, build_sectors, pair_with_wind
from gateway.api.pages.renderer import View
from gateway.api.schemas.observations import Mean
from gateway.export.selection import Averaging

MAX_COMPARED = 3
_MAX_CANDIDATES = 24
_MAX_MEANS = 12_000

Period = tuple[datetime, datetime]


@dataclass(frozen=True, kw_only=True)
class ChartInterval:
    """The interval of a chart. `name`: key of a period, empty around a moment; `text`: its name; `step` in seconds."""

    name: str
    text: str
    start: datetime
    end: datetime
    averaging: Averaging
    step: float

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        """Start and end."""
        return self.start, self.end


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A station that measures the same property, with its distance in metres, and whether it is compared."""

    station: StationRow
    distance: float
    chosen: bool


@dataclass(frozen=True, kw_only=True)
class WindMeans:
    """Means of direction and speed at one station, which is another one if the wanted station has no vane."""

    station: StationRow
    directions: Sequence[Mean]
    speeds: Sequence[Mean]


@dataclass(frozen=True, kw_only=True)
class WindPlot:
    """The plot, and the station whose vane it uses if that is another one."""

    plot: PolarPlot
    wind_station: StationRow | None


async def fetch_means(view: View, station_id: str, name: str, period: Period, averaging: Averaging) -> list[Mean]:
    """Means of a property at a station, oldest first."""
    mean_cache: MeanCache = view.request.app.state.mean_cache
    selection = view.latest_values.registry.build_selection(station_id, name, period, averaging)
    if not selection.ids:
        return []
    return [mean for _, mean in reversed(await mean_cache.fetch_page(selection, None, _MAX_MEANS))]


def list_candidates(view: View, station: StationRow, name: str, chosen_ids: Sequence[str]) -> list[Candidate]:
    """The stations that measure a property, the nearest first; the chosen ones are always among them."""
    registry = view.registry
    others = [
        row for row in registry.stations.values() if row.id != station.id and registry.datastreams_of(row.id, name)
    ]
    ranked = sort_by_distance(others, station.latitude, station.longitude)
    candidates = [
        Candidate(station=row, distance=distance, chosen=row.id in chosen_ids[:MAX_COMPARED])
        for distance, row in ranked
    ]
    return [item for i, item in enumerate(candidates) if i < _MAX_CANDIDATES or item.chosen]


async def fetch_compared_lines(
    view: View, compared: Sequence[StationRow], name: str, interval: ChartInterval
) -> list[Line]:
    """The curve of the means of each compared station, in classes `compared-1` to `compared-3`."""
    lines = []
    for number, row in enumerate(compared, 1):
        means = await fetch_means(view, row.id, name, interval.bounds, interval.averaging)
        points = [(datetime.fromisoformat(mean.start), mean.mean) for mean in means]
        lines.append(Line(points=points, css=f"compared-{number}", step=interval.step, stepped=True))
    return lines


async def fetch_wind_plot(
    view: View, station: StationRow, means: Sequence[Mean], interval: ChartInterval, title: str, *, rule: AveragingRule
) -> WindPlot | None:
    """The values of a station against the wind there, or at the nearest station with a vane; None without any vane.

    `rule` is that of the property of the means.
    """
    wind = await fetch_wind(view, station, interval)
    return None if wind is None else build_wind_plot(station, means, wind, title, rule=rule)


async def fetch_wind(view: View, station: StationRow, interval: ChartInterval) -> WindMeans | None:
    """The wind at a station or at the nearest station with a vane; None without any vane."""
    vane = find_vane(view, station)
    if vane is None:
        return None
    return WindMeans(
        station=vane,
        directions=await fetch_means(view, vane.id, "wind_direction", interval.bounds, interval.averaging),
        speeds=await fetch_means(view, vane.id, "wind_speed", interval.bounds, interval.averaging),
    )


def build_wind_plot(
    station: StationRow, means: Sequence[Mean], wind: WindMeans, title: str, *, rule: AveragingRule
) -> WindPlot:
    """The plot of these means against that wind."""
    sectors = build_sectors(pair_with_wind(means, wind.directions, wind.speeds), rule)
    wind_station = None if wind.station.id == station.id else wind.station
    return WindPlot(plot=PolarPlot(title=title, sectors=sectors), wind_station=wind_station)


def find_vane(view: View, station: StationRow) -> StationRow | None:
    """The nearest station of the area with a wind vane."""
    registry = view.registry
    vanes = [
        row
        for row in registry.stations.values()
        if row.area == station.area and registry.datastreams_of(row.id, "wind_direction")
    ]
    ranked = sort_by_distance(vanes, station.latitude, station.longitude)
    return ranked[0][1] if ranked else None
