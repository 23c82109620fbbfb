"""`/events` and `/events/{id}`: what happened, whether it is real, who was told, and what was said of it later."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException
from fastapi.responses import HTMLResponse

from gateway.api import alerts, cursor, events
from gateway.api import representations as r
from gateway.api.chart import Chart, Line
from gateway.api.pages.station import background, flagged, lines, measured, peaks
from gateway.api.pages.view import View, bare, html, look, missing
from gateway.api.rose import rose, wind_words
from gateway.export.selection import Averaging

router = APIRouter()
Look = Annotated[View, Depends(look)]
_PAGE = 50
_NEIGHBOURS = 6


@router.get("/events")
async def list_events(view: Look, area: str = "", property: str = "", after: str | None = None) -> HTMLResponse:  # noqa: A002
    """Peaks, newest first."""
    places = view.board.places
    before, key = cursor.read(after, datetime, str)
    chosen = {
        "area": area if area in places.areas else None,
        "property": property if property in places.properties else None,
    }
    found = await events.found(view.request, _PAGE + 1, **chosen, kinds=events.PUBLIC, before=before, before_id=key)
    shown = [bare(one) for one in found[:_PAGE]]
    last = found[_PAGE - 1] if len(found) > _PAGE else None
    more = None if last is None else cursor.write(datetime.fromisoformat(last.onset), last.id)
    measured_ = sorted({row[3] for row in places.datastreams.values()} - {"lost_readings"})
    return html(view, view.render("events.html", peaks=shown, more=more, chosen=chosen, measured=measured_))


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
    chart, neighbours = await _chart(view, event)
    return html(view, view.render("event.html", event=event, told=told[::-1], revisions=revisions, chart=chart,
                                  neighbours=neighbours, sentence=said(view, known),
                                  rose=rose(view, known.around), wind=wind_words(view, known.around)))  # fmt: skip


async def _chart(view: View, event: dict[str, Any]) -> tuple[Chart, list[str]]:
    onset = datetime.fromisoformat(event["onset"])
    end = min(view.now, datetime.fromisoformat(event["end"]) if event["end"] else view.now)
    start = onset - timedelta(hours=1)
    end = max(onset + timedelta(minutes=30), min(end + timedelta(minutes=30), onset + timedelta(hours=12)))
    name = event["observedProperty"]
    means = await measured(view, event["station"], name, (start, end), Averaging.MINUTE)
    others, names = await _neighbours(view, event, start, end)
    chart = Chart(
        title=view.words["chart_of"].format(
            name=view.name_of(name), station=event["stationName"], period=view.words["around"]
        ),
        unit=view.unit_of(event["unit"]),
        start=start,
        end=end,
        lines=[*others, *lines(means, 60.0)],
        band=background(means),
        spans=[*flagged(view, means, 60.0), *peaks(view, [{**event, "change": "opened", "kind": "peak"}])],
    )
    return chart, names


async def _neighbours(
    view: View, event: dict[str, Any], start: datetime, end: datetime
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
        means = await measured(view, row[0], event["observedProperty"], (start, end), Averaging.MINUTE)
        if means:
            found.append(Line(points=lines(means, 60.0)[1].points, css="neighbour", step=60.0))
            names.append(row[2])
    return found, names


def said(view: View, event: r.Event) -> str:
    """The detector's own sentence, which knows of neighbours and wind; for older events one from the figures."""
    return event.around.words.get(view.language) or sentence(view, event)


def sentence(view: View, event: r.Event) -> str:
    """What happened, in one sentence."""
    words = view.words
    times = view.times(event.peak, event.background)
    unit = view.unit_of(event.unit)
    said = words["sentence"].format(
        when=view.moment(event.onset),
        name=view.name_of(event.observed_property),
        station=event.station_name,
        peak=f"{view.number(event.peak)} {unit}".strip(),
        background=f"{view.number(event.background)} {unit}".strip(),
    )
    if times:
        said += words["sentence_times"].format(times=times)
    lasted = view.lasted(event.onset, event.end)
    return said + words["sentence_over" if event.end else "sentence_open"].format(lasted=lasted)
