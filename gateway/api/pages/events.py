"""`/events/{id}`: one event, a property at a station, with its chart, map, notifications, revisions and plume."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse

from gateway.api.data.context_values import StoredContext
from gateway.api.data.registry import StationRow
from gateway.api.http.parameters import ItemId
from gateway.api.pages.beside import build_beside
from gateway.api.pages.chart import Chart, Line
from gateway.api.pages.event_map import describe_wind, draw_event_map
from gateway.api.pages.event_texts import ChartPeriod, choose_chart_period, describe_event, describe_neighbours
from gateway.api.pages.formats import ARBITRARY_SCALE_UNITS
from gateway.api.pages.plume_texts import describe_notified, describe_voided, name_stations
from gateway.api.pages.readings import GAP_SECONDS, ChartPoint, average_ten_seconds, fetch_readings
from gateway.api.pages.region import build_region_lines, fetch_event_region
from gateway.api.pages.renderer import View, ViewDependency, respond_html, respond_missing, strip_licence
from gateway.api.pages.station import build_flag_spans, build_lines, build_peak_spans, estimate_background
from gateway.api.pages.station_extras import fetch_means
from gateway.api.routes import alerts, events, plumes
from gateway.api.routes.alerts import AlertFilters
from gateway.export.selection import Averaging
from gateway.model.properties import average_of

router = APIRouter()
_MAX_ALERTS = 200
_MAX_NEIGHBOURS = 6


@router.get("/events/{id}")
async def show_event(view: ViewDependency, id_: ItemId) -> HTMLResponse:
    """One event. The address is permanent."""
    if "\0" in id_ or len(id_) > 100:
        return respond_missing(view)
    try:
        event = await events.fetch_event(view.request, id_)
    except HTTPException as error:
        if error.status_code != 404:
            raise
        return respond_missing(view)
    document = strip_licence(event)
    event_alerts = await alerts.fetch_alerts(view.request, _MAX_ALERTS, AlertFilters(event=id_))
    alert_documents = [strip_licence(alert) for alert in event_alerts]
    revisions = [strip_licence(item) for item in await events.fetch_revisions(view.request, id_)]
    period = _choose_period(view, document)
    name = document["observedProperty"]
    region = await fetch_event_region(view, event.area, name, (period.start, period.end))
    chart, neighbours = await _build_chart(view, document, region)
    plume = None if event.plume is None else await plumes.fetch_plume(view.request, event.plume)
    return respond_html(
        view,
        view.render(
            "event.html",
            event=document,
            plume=plume,
            plume_stations="" if plume is None else name_stations(view, plume),
            plume_notified="" if plume is None else describe_notified(view, plume),
            alerts=alert_documents[::-1],
            revisions=revisions,
            chart=chart,
            is_short=period.is_short,
            neighbours=neighbours,
            sentence=describe_event(view, event),
            event_map=draw_event_map(view, event, view.request.app.state.map_sources.bases.get(event.area)),
            wind=describe_wind(view, event.around),
            neighbours_text=describe_neighbours(view, event),
            voided=describe_voided(view, event.false_alarm),
            region_names=list(dict.fromkeys(row.name for row in region if row.observed_property == name)),
            **await build_beside(view, event, region),
        ),
    )


def _choose_period(view: View, event: dict[str, Any]) -> ChartPeriod:
    end = None if event["end"] is None else datetime.fromisoformat(event["end"])
    return choose_chart_period(datetime.fromisoformat(event["onset"]), end, view.now)


async def _build_chart(view: View, event: dict[str, Any], region: Sequence[StoredContext]) -> tuple[Chart, list[str]]:
    period = _choose_period(view, event)
    start, end, is_short = period.start, period.end, period.is_short
    name = event["observedProperty"]
    means = await fetch_means(view, event["station"], name, (start, end), Averaging.MINUTE)
    others, names = await _fetch_neighbour_lines(view, event, (start, end), short=is_short)
    single_readings = await fetch_readings(view, event["station"], name, (start, end)) if is_short else []
    level = Line(points=[(start, event["background"]), (end, event["background"])], css="background", step=1e9)
    chart = Chart(
        title=view.texts["chart_around"].format(name=view.name_of(name), station=event["stationName"]),
        unit=view.unit_of(event["unit"]),
        start=start,
        end=end,
        lines=[
            *others,
            *build_region_lines(region, name, (start, end)),
            level,
            *(
                [Line(points=single_readings, css="highest", step=GAP_SECONDS)]
                if single_readings
                else build_lines(means, 60.0)
            ),
        ],
        band=() if is_short else estimate_background(means),
        from_zero=event["unit"] not in ARBITRARY_SCALE_UNITS,
        spans=[
            *build_flag_spans(view, means, 60.0),
            *build_peak_spans(view, [{**event, "change": "opened", "kind": "peak"}]),
        ],
    )
    return chart, names


async def _fetch_neighbour_lines(
    view: View, event: dict[str, Any], period: tuple[datetime, datetime], *, short: bool
) -> tuple[list[Line], list[str]]:
    """The same property at the nearest other stations of the area."""
    stations = view.latest_values.registry.stations
    station = stations[event["station"]]

    def squared_distance(other: StationRow) -> float:  # in degrees of latitude; 0.6: cosine of a Dutch latitude
        return (other.latitude - station.latitude) ** 2 + ((other.longitude - station.longitude) * 0.6) ** 2

    others = (row for row in stations.values() if row.area == station.area and row.id != station.id)
    neighbour_lines, names = [], []
    for neighbour in sorted(others, key=squared_distance)[:_MAX_NEIGHBOURS]:
        points: Sequence[ChartPoint]
        if short:
            readings = await fetch_readings(view, neighbour.id, event["observedProperty"], period)
            points, step = average_ten_seconds(readings, average_of(event["observedProperty"])), GAP_SECONDS
        else:
            means = await fetch_means(view, neighbour.id, event["observedProperty"], period, Averaging.MINUTE)
            points, step = build_lines(means, 60.0)[1].points, 60.0
        if points:
            neighbour_lines.append(Line(points=points, css="neighbour", step=step))
            names.append(neighbour.name)
    return neighbour_lines, names
