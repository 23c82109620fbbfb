"""`/events` and `/events/{id}`: what happened, whether it is real, who was told, and what was said of it later."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query
from fastapi.responses import HTMLResponse

from alerting.vocabulary import LOCAL
from gateway.api.http import cursor
from gateway.api.pages.chart import Chart, Line
from gateway.api.pages.event_map import sketch, wind_words
from gateway.api.pages.plumes import grouped
from gateway.api.pages.renderer import SHOWN, SIGNALS, View, bare, html, look, missing
from gateway.api.pages.station import background, flagged, lines, measured, peaks
from gateway.api.routes import alerts, events
from gateway.api.schemas.events import Event
from gateway.export.selection import Averaging

router = APIRouter()
Look = Annotated[View, Depends(look)]
From = Annotated[str, Query(alias="from", max_length=40)]
To = Annotated[str, Query(alias="to", max_length=40)]
Point = tuple[datetime, float | None]
_PAGE = 50
_NEIGHBOURS = 6
_SHORT = timedelta(minutes=10)
_GAP = 20.0  # seconds without a reading that are drawn as a gap


@router.get("/events")
async def list_events(  # noqa: PLR0917 - they are query parameters
    view: Look,
    area: str = "",
    property: str = "",  # noqa: A002
    after: str | None = None,
    since: From = "",
    until: To = "",
) -> HTMLResponse:
    """Peaks, newest first; what makes no sense as a day is as if it was not asked."""
    places = view.board.places
    before, key = cursor.read(after, datetime, str)
    chosen = {
        "area": area if area in places.areas else None,
        "property": property if property in places.properties else None,
    }
    days = _day(since), _day(until)
    start = None if days[0] is None else _midnight(days[0])
    end = None if days[1] is None else _midnight(days[1] + timedelta(days=1))
    found = await events.found(view.request, _PAGE + 1, **chosen, kinds=events.PUBLIC, before=before, before_id=key,
                               start=start, end=end)  # fmt: skip
    shown = [bare(one) for one in found[:_PAGE]]
    last = found[_PAGE - 1] if len(found) > _PAGE else None
    more = None if last is None else cursor.write(datetime.fromisoformat(last.onset), last.id)
    there = {row[3] for row in places.datastreams.values()}
    measured_ = [name for name in SHOWN if name in there]
    return html(view, view.render("events.html", groups=grouped(shown), more=more, chosen=chosen, measured=measured_,
                                  days=days))  # fmt: skip


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 2000 <= found.year <= 2200 else None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), LOCAL)


@router.get("/events/{id}")
async def one_event(view: Look, id: str) -> HTMLResponse:  # noqa: A002 - the path's word
    """One event, for ever at this address."""
    if "\0" in id or len(id) > 100:
        return missing(view)
    try:
        known = await events.known(view.request, id)
    except HTTPException as error:
        if error.status_code != 404:
            raise
        return missing(view)
    event = bare(known)
    told = [bare(one) for one in await alerts.found(view.request, 200, event=id)]
    revisions = [bare(one) for one in await events.revisions_of(view.request, id)]
    short = _period(view, event)[2]
    chart, neighbours = await _chart(view, event)
    return html(view, view.render("event.html", event=event, told=told[::-1], revisions=revisions, chart=chart,
                                  short=short,
                                  neighbours=neighbours, sentence=said(view, known),
                                  sketch=sketch(view, known), wind=wind_words(view, known.around)))  # fmt: skip


def _period(view: View, event: dict[str, Any]) -> tuple[datetime, datetime, bool]:
    """From when to when it is drawn, and whether it is so short that single readings are drawn."""
    onset = datetime.fromisoformat(event["onset"])
    end = min(view.now, datetime.fromisoformat(event["end"]) if event["end"] else view.now)
    if end - onset <= _SHORT:
        return onset - _SHORT / 2, end + _SHORT / 2, True
    latest = min(end + timedelta(minutes=30), onset + timedelta(hours=12))
    return onset - timedelta(hours=1), max(onset + timedelta(minutes=30), latest), False


async def _chart(view: View, event: dict[str, Any]) -> tuple[Chart, list[str]]:
    start, end, short = _period(view, event)
    name = event["observedProperty"]
    means = await measured(view, event["station"], name, (start, end), Averaging.MINUTE)
    others, names = await _neighbours(view, event, (start, end), short=short)
    singles = await _readings(view, event["station"], name, (start, end)) if short else []
    level = Line(points=[(start, event["background"]), (end, event["background"])], css="background", step=1e9)
    chart = Chart(
        title=view.words["chart_around"].format(name=view.name_of(name), station=event["stationName"]),
        unit=view.unit_of(event["unit"]),
        start=start,
        end=end,
        lines=[*others, level, *([Line(points=singles, css="highest", step=_GAP)] if singles else lines(means, 60.0))],
        band=() if short else background(means),
        from_zero=event["unit"] not in SIGNALS,
        spans=[*flagged(view, means, 60.0), *peaks(view, [{**event, "change": "opened", "kind": "peak"}])],
    )
    return chart, names


async def _readings(view: View, station: str, name: str, period: tuple[datetime, datetime]) -> list[Point]:
    """Single readings: a peak of seconds is flat in a mean of a minute."""
    selection = view.board.places.selection(station, name, period, Averaging.RAW)
    if not selection.ids:
        return []
    asked = {"ids": list(selection.ids), "start": period[0], "end": period[1]}
    return [(row[1], row[2]) for row in await view.request.app.state.reader.rows("export_raw", asked)]


def _thinned(points: list[Point]) -> list[Point]:
    """Means of ten seconds."""
    parts: dict[datetime, list[float]] = {}
    for at, value in points:
        if value is not None:
            parts.setdefault(at.replace(second=at.second // 10 * 10, microsecond=0), []).append(value)
    return [(at + timedelta(seconds=5), sum(values) / len(values)) for at, values in sorted(parts.items())]


async def _neighbours(
    view: View, event: dict[str, Any], period: tuple[datetime, datetime], *, short: bool
) -> tuple[list[Line], list[str]]:
    """The same property at the nearest other stations of the area."""
    stations = view.board.places.stations
    here = stations[event["station"]]
    near = sorted(
        (row for row in stations.values() if row[1] == here[1] and row[0] != here[0]),
        key=lambda row: (row[3] - here[3]) ** 2 + ((row[4] - here[4]) * 0.6) ** 2,
    )
    found, names = [], []
    for row in near[:_NEIGHBOURS]:
        points: Sequence[Point]
        if short:
            points, step = _thinned(await _readings(view, row[0], event["observedProperty"], period)), _GAP
        else:
            means = await measured(view, row[0], event["observedProperty"], period, Averaging.MINUTE)
            points, step = lines(means, 60.0)[1].points, 60.0
        if points:
            found.append(Line(points=points, css="neighbour", step=step))
            names.append(row[2])
    return found, names


def said(view: View, event: Event) -> str:
    """The detector's own sentence, which knows of neighbours and wind; for older events one from the figures."""
    return event.around.words.get(view.language) or sentence(view, event)


def sentence(view: View, event: Event) -> str:
    """What happened, in one sentence."""
    words = view.words
    times = view.times(event.peak, event.background)
    unit = view.unit_of(event.unit)
    said = words["sentence"].format(
        when=view.dated(event.onset),
        name=view.name_of(event.observed_property),
        station=event.station_name,
        peak=f"{view.number(event.peak)} {unit}".strip(),
        background=f"{view.number(event.background)} {unit}".strip(),
    )
    if times:
        said += words["sentence_times"].format(times=times)
    lasted = view.lasted(event.onset, event.end)
    return said + words["sentence_over" if event.end else "sentence_open"].format(lasted=lasted)
