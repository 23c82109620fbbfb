"""`/events` and `/events/{id}`: the list of peaks, and one event with its chart, map, notifications and revisions."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import HTMLResponse

from alerting.vocabulary import LOCAL_TIMEZONE
from gateway.api.data.database import Database
from gateway.api.data.registry import StationRow
from gateway.api.http import cursor
from gateway.api.http.parameters import ItemId
from gateway.api.pages.chart import Chart, Line
from gateway.api.pages.event_map import describe_wind, draw_event_map
from gateway.api.pages.event_texts import ChartPeriod, choose_chart_period, describe_event, describe_neighbours
from gateway.api.pages.formats import ARBITRARY_SCALE_UNITS
from gateway.api.pages.plumes import group_into_plumes
from gateway.api.pages.renderer import View, ViewDependency, respond_html, respond_missing, strip_licence
from gateway.api.pages.station import build_flag_spans, build_lines, build_peak_spans, estimate_background
from gateway.api.pages.station_extras import fetch_means
from gateway.api.routes import alerts, events
from gateway.api.routes.alerts import AlertFilters
from gateway.api.routes.events import EventFilters
from gateway.api.routes.newest import cut_page
from gateway.export.selection import Averaging
from gateway.model.properties import SHOWN_PROPERTIES
from gateway.model.validity import is_undated, valid_value

router = APIRouter()
FromDay = Annotated[str, Query(alias="from", max_length=40)]
ToDay = Annotated[str, Query(alias="to", max_length=40)]
ChartPoint = tuple[datetime, float | None]
_PAGE_SIZE = 50
_MAX_ALERTS = 200
_MAX_NEIGHBOURS = 6
_GAP_SECONDS = 20.0  # longer intervals between readings are drawn as a gap


@router.get("/events")
async def show_events(  # noqa: PLR0917 - they are query parameters
    view: ViewDependency,
    area: str = "",
    property_: Annotated[str, Query(alias="property")] = "",
    after: str | None = None,
    since: FromDay = "",
    until: ToDay = "",
) -> HTMLResponse:
    """Peaks, newest first. An unknown area or property and a day that cannot be parsed are ignored."""
    registry = view.latest_values.registry
    before, before_id = cursor.read(after, datetime, str)
    known_area = area if area in registry.areas else None
    known_property = property_ if property_ in registry.properties else None
    days = _parse_day(since), _parse_day(until)
    start = None if days[0] is None else _midnight(days[0])
    end = None if days[1] is None else _midnight(days[1] + timedelta(days=1))
    filters = EventFilters(
        area=known_area,
        property=known_property,
        kinds=events.PUBLIC_KINDS,
        before=before,
        before_id=before_id,
        start=start,
        end=end,
    )
    page_events, last = cut_page(await events.fetch_events(view.request, _PAGE_SIZE + 1, filters), _PAGE_SIZE)
    event_documents = [strip_licence(event) for event in page_events]
    next_cursor = None if last is None else cursor.write(datetime.fromisoformat(last.onset), last.id)
    measured_ids = {datastream.observed_property for datastream in registry.datastreams.values()}
    measured_properties = [name for name in SHOWN_PROPERTIES if name in measured_ids]
    return respond_html(
        view,
        view.render(
            "events.html",
            plumes=group_into_plumes(event_documents),
            more=next_cursor,
            filters={"area": known_area, "property": known_property},
            measured=measured_properties,
            days=days,
        ),
    )


def _parse_day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 2000 <= day.year <= 2200 else None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), LOCAL_TIMEZONE)


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
    is_short = _choose_period(view, document).is_short
    chart, neighbours = await _build_chart(view, document)
    return respond_html(
        view,
        view.render(
            "event.html",
            event=document,
            alerts=alert_documents[::-1],
            revisions=revisions,
            chart=chart,
            is_short=is_short,
            neighbours=neighbours,
            sentence=describe_event(view, event),
            event_map=draw_event_map(view, event, view.request.app.state.map_sources.bases.get(event.area)),
            wind=describe_wind(view, event.around),
            neighbours_text=describe_neighbours(view, event),
        ),
    )


def _choose_period(view: View, event: dict[str, Any]) -> ChartPeriod:
    end = None if event["end"] is None else datetime.fromisoformat(event["end"])
    return choose_chart_period(datetime.fromisoformat(event["onset"]), end, view.now)


async def _build_chart(view: View, event: dict[str, Any]) -> tuple[Chart, list[str]]:
    period = _choose_period(view, event)
    start, end, is_short = period.start, period.end, period.is_short
    name = event["observedProperty"]
    means = await fetch_means(view, event["station"], name, (start, end), Averaging.MINUTE)
    others, names = await _fetch_neighbour_lines(view, event, (start, end), short=is_short)
    single_readings = await _fetch_readings(view, event["station"], name, (start, end)) if is_short else []
    level = Line(points=[(start, event["background"]), (end, event["background"])], css="background", step=1e9)
    chart = Chart(
        title=view.texts["chart_around"].format(name=view.name_of(name), station=event["stationName"]),
        unit=view.unit_of(event["unit"]),
        start=start,
        end=end,
        lines=[
            *others,
            level,
            *(
                [Line(points=single_readings, css="highest", step=_GAP_SECONDS)]
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


async def _fetch_readings(view: View, station: str, name: str, period: tuple[datetime, datetime]) -> list[ChartPoint]:
    """Valid single readings, because a peak of seconds disappears in a mean over a minute; None: it does not count."""
    selection = view.latest_values.registry.build_selection(station, name, period, Averaging.RAW)
    if not selection.ids:
        return []
    database: Database = view.request.app.state.database
    rows = await database.fetch_rows("export_raw", selection.parameters(*period))
    return [(at, valid_value(value, flags)) for _, at, value, flags, *_ in rows if not is_undated(flags)]


def _average_ten_seconds(points: list[ChartPoint]) -> list[ChartPoint]:
    """Means over ten seconds, at their middle."""
    buckets: dict[datetime, list[float]] = {}
    for at, value in points:
        if value is not None:
            buckets.setdefault(at.replace(second=at.second // 10 * 10, microsecond=0), []).append(value)
    return [(at + timedelta(seconds=5), sum(values) / len(values)) for at, values in sorted(buckets.items())]


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
            points, step = (
                _average_ten_seconds(await _fetch_readings(view, neighbour.id, event["observedProperty"], period)),
                _GAP_SECONDS,
            )
        else:
            means = await fetch_means(view, neighbour.id, event["observedProperty"], period, Averaging.MINUTE)
            points, step = build_lines(means, 60.0)[1].points, 60.0
        if points:
            neighbour_lines.append(Line(points=points, css="neighbour", step=step))
            names.append(neighbour.name)
    return neighbour_lines, names
