"""`/events` and `/events/{id}`: what happened, whether it is real, who was told, and what was said of it later."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query
from fastapi.responses import HTMLResponse

from alerting.vocabulary import LOCAL_TIMEZONE
from gateway.api.http import cursor
from gateway.api.pages.chart import Chart, Line
from gateway.api.pages.event_map import describe_wind, draw_event_map
from gateway.api.pages.plumes import group_into_plumes
from gateway.api.pages.renderer import (
    ARBITRARY_SCALE_UNITS,
    View,
    get_view,
    respond_html,
    respond_missing,
    strip_licence,
)
from gateway.api.pages.station import build_flag_spans, build_lines, build_peak_spans, estimate_background, fetch_means
from gateway.api.routes import alerts, events
from gateway.api.schemas.events import Event
from gateway.export.selection import Averaging
from gateway.model.properties import SHOWN_PROPERTIES

router = APIRouter()
ViewDependency = Annotated[View, Depends(get_view)]
FromDay = Annotated[str, Query(alias="from", max_length=40)]
ToDay = Annotated[str, Query(alias="to", max_length=40)]
ChartPoint = tuple[datetime, float | None]
_PAGE_SIZE = 50
_MAX_NEIGHBOURS = 6
_SHORT_EVENT = timedelta(minutes=10)
_GAP_SECONDS = 20.0  # seconds without a reading that are drawn as a gap


@router.get("/events")
async def show_events(  # noqa: PLR0917 - they are query parameters
    view: ViewDependency,
    area: str = "",
    property: str = "",  # noqa: A002
    after: str | None = None,
    since: FromDay = "",
    until: ToDay = "",
) -> HTMLResponse:
    """Peaks, newest first; what makes no sense as a day is as if it was not asked."""
    places = view.latest_values.registry
    before, key = cursor.read(after, datetime, str)
    filters = {
        "area": area if area in places.areas else None,
        "property": property if property in places.properties else None,
    }
    days = _parse_day(since), _parse_day(until)
    start = None if days[0] is None else _midnight(days[0])
    end = None if days[1] is None else _midnight(days[1] + timedelta(days=1))
    page_events = await events.fetch_events(
        view.request,
        _PAGE_SIZE + 1,
        **filters,
        kinds=events.PUBLIC_KINDS,
        before=before,
        before_id=key,
        start=start,
        end=end,
    )
    event_documents = [strip_licence(event) for event in page_events[:_PAGE_SIZE]]
    last = page_events[_PAGE_SIZE - 1] if len(page_events) > _PAGE_SIZE else None
    next_cursor = None if last is None else cursor.write(datetime.fromisoformat(last.onset), last.id)
    measured_ids = {row[3] for row in places.datastreams.values()}
    measured_properties = [name for name in SHOWN_PROPERTIES if name in measured_ids]
    return respond_html(
        view,
        view.render(
            "events.html",
            plumes=group_into_plumes(event_documents),
            more=next_cursor,
            filters=filters,
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
async def show_event(view: ViewDependency, id: str) -> HTMLResponse:  # noqa: A002 - the path's word
    """One event, for ever at this address."""
    if "\0" in id or len(id) > 100:
        return respond_missing(view)
    try:
        event = await events.fetch_event(view.request, id)
    except HTTPException as error:
        if error.status_code != 404:
            raise
        return respond_missing(view)
    document = strip_licence(event)
    alert_documents = [strip_licence(item) for item in await alerts.fetch_alerts(view.request, 200, event=id)]
    revisions = [strip_licence(item) for item in await events.fetch_revisions(view.request, id)]
    is_short = _chart_period(view, document)[2]
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
            event_map=draw_event_map(view, event),
            wind=describe_wind(view, event.around),
        ),
    )


def _chart_period(view: View, event: dict[str, Any]) -> tuple[datetime, datetime, bool]:
    """From when to when it is drawn, and whether it is so short that single readings are drawn."""
    onset = datetime.fromisoformat(event["onset"])
    end = min(view.now, datetime.fromisoformat(event["end"]) if event["end"] else view.now)
    if end - onset <= _SHORT_EVENT:
        return onset - _SHORT_EVENT / 2, end + _SHORT_EVENT / 2, True
    latest = min(end + timedelta(minutes=30), onset + timedelta(hours=12))
    return onset - timedelta(hours=1), max(onset + timedelta(minutes=30), latest), False


async def _build_chart(view: View, event: dict[str, Any]) -> tuple[Chart, list[str]]:
    start, end, is_short = _chart_period(view, event)
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
    """Single readings: a peak of seconds is flat in a mean of a minute."""
    selection = view.latest_values.registry.build_selection(station, name, period, Averaging.RAW)
    if not selection.ids:
        return []
    parameters = {"ids": list(selection.ids), "start": period[0], "end": period[1]}
    return [(row[1], row[2]) for row in await view.request.app.state.database.fetch_rows("export_raw", parameters)]


def _average_ten_seconds(points: list[ChartPoint]) -> list[ChartPoint]:
    """Means of ten seconds."""
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
    station_row = stations[event["station"]]
    nearest_rows = sorted(
        (row for row in stations.values() if row[1] == station_row[1] and row[0] != station_row[0]),
        key=lambda row: (row[3] - station_row[3]) ** 2 + ((row[4] - station_row[4]) * 0.6) ** 2,
    )
    neighbour_lines, names = [], []
    for row in nearest_rows[:_MAX_NEIGHBOURS]:
        points: Sequence[ChartPoint]
        if short:
            points, step = (
                _average_ten_seconds(await _fetch_readings(view, row[0], event["observedProperty"], period)),
                _GAP_SECONDS,
            )
        else:
            means = await fetch_means(view, row[0], event["observedProperty"], period, Averaging.MINUTE)
            points, step = build_lines(means, 60.0)[1].points, 60.0
        if points:
            neighbour_lines.append(Line(points=points, css="neighbour", step=step))
            names.append(row[2])
    return neighbour_lines, names


def describe_event(view: View, event: Event) -> str:
    """The detector's own sentence, which knows of neighbours and wind; for older events one from the figures."""
    return event.around.words.get(view.language) or build_sentence(view, event)


def build_sentence(view: View, event: Event) -> str:
    """What happened, in one sentence."""
    words = view.texts
    times = view.ratio(event.peak, event.background)
    unit = view.unit_of(event.unit)
    text = words["sentence"].format(
        when=view.date_time(event.onset),
        name=view.name_of(event.observed_property),
        station=event.station_name,
        peak=f"{view.number(event.peak)} {unit}".strip(),
        background=f"{view.number(event.background)} {unit}".strip(),
    )
    if times:
        text += words["sentence_times"].format(times=times)
    lasted = view.duration(event.onset, event.end)
    return text + words["sentence_over" if event.end else "sentence_open"].format(lasted=lasted)
