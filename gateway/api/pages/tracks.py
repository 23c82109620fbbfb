"""`/tracks` and `/tracks/{id}`: rides and flights of mobile stations, each with a drawing, a chart and its figures."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from math import isfinite

import numpy as np
from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse

from gateway.api.data.tracks import MeasuredTrack, fetch_track_row, measure_track
from gateway.api.http.parameters import ItemId
from gateway.api.pages.chart import Chart, Line, MarkedPeriod
from gateway.api.pages.map_layers import list_colour_steps
from gateway.api.pages.renderer import View, ViewDependency, respond_html, respond_missing
from gateway.api.pages.track_map import draw_track
from gateway.api.routes.track_documents import list_flags
from gateway.api.routes.tracks import fetch_tracks
from gateway.model.properties import SHOWN_PROPERTIES, order_of_property
from gateway.model.timestamps import from_ms
from gateway.tracks.cells import MIN_DAYS
from gateway.tracks.positions import FloatColumn, TrackFlag

router = APIRouter()
_MAX_TRACKS = 100
_GAP_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True)
class TrackFigures:
    """Figures of a property along a track, for the table."""

    observed_property: str
    unit: str
    readings: int
    median: float
    highest: float
    background: float | None


@router.get("/tracks")
async def show_tracks(view: ViewDependency, area: str = "") -> HTMLResponse:
    """The newest tracks, of all areas or of one."""
    chosen = area if area in view.registry.areas else None
    rows = await fetch_tracks(view.request.app.state.database, chosen, None, _MAX_TRACKS)
    carriers = view.registry.mobile_stations
    items = [(row, carriers[row.station]) for row in rows if row.station in carriers]
    return respond_html(view, view.render("tracks.html", items=items, carriers=carriers, least_days=MIN_DAYS))


@router.get("/tracks/{id}")
async def show_track(view: ViewDependency, id_: ItemId, property: str = "") -> HTMLResponse:  # noqa: A002 - its public name
    """One track; `property`: what the drawing and the chart show."""
    if "\0" in id_ or len(id_) > 100:
        return respond_missing(view)
    database = view.request.app.state.database
    try:
        row = await fetch_track_row(database, id_)
        track = await measure_track(database, view.registry, row)
    except HTTPException as error:
        if error.status_code != 404:
            raise
        return respond_missing(view)
    figures = list_figures(view, track)
    names = [item.observed_property for item in figures]
    chosen = property if property in names else (names[0] if names else "")
    content = view.render(
        "track.html",
        row=row,
        carrier=track.carrier,
        start=from_ms(int(track.positions.times[0])),
        end=from_ms(int(track.positions.times[-1])),
        metres=float(track.positions.steps.sum()),
        altitude=_altitude_range(track),
        flagged=_count_flags(track),
        figures=figures,
        chosen=chosen,
        steps=list_colour_steps(chosen),
        chart=_build_chart(view, track, chosen) if chosen else None,
        drawing=draw_track(view, track, chosen, view.request.app.state.area_bases.get(row.area)),
    )
    return respond_html(view, content)


def list_figures(view: View, track: MeasuredTrack) -> list[TrackFigures]:
    """Figures of each shown property with a valid reading, in the order of the registry."""
    figures = []
    for name in sorted(track.values, key=order_of_property):
        values, background = track.values[name]
        valid, levels = values[np.isfinite(values)], background[np.isfinite(background)]
        if name in SHOWN_PROPERTIES and len(valid):
            figures.append(
                TrackFigures(
                    observed_property=name,
                    unit=view.registry.properties[name].unit,
                    readings=len(valid),
                    median=float(np.median(valid)),
                    highest=float(valid.max()),
                    background=float(np.median(levels)) if len(levels) else None,
                )
            )
    return figures


def _altitude_range(track: MeasuredTrack) -> tuple[float, float]:
    return float(track.positions.altitude.min()), float(track.positions.altitude.max())


def _count_flags(track: MeasuredTrack) -> list[tuple[str, int]]:
    """The key of the text of each flag, with its number of positions."""
    counts = [(flag, int(np.count_nonzero(track.flags & flag))) for flag in TrackFlag]
    return [(f"track_flag_{(flag.name or '').lower()}", count) for flag, count in counts if count]


def _build_chart(view: View, track: MeasuredTrack, name: str) -> Chart:
    values, background = track.values[name]
    start, end = from_ms(int(track.positions.times[0])), from_ms(int(track.positions.times[-1]))
    return Chart(
        title=view.texts["track_chart"].format(name=view.name_of(name), station=track.carrier.name),
        unit=view.unit_of(view.registry.properties[name].unit),
        start=start,
        end=max(end, start + timedelta(seconds=1)),
        lines=[
            Line(points=_list_points(track, background), css="background", step=_GAP_SECONDS),
            Line(points=_list_points(track, values), css="highest", step=_GAP_SECONDS),
        ],
        spans=list(_list_flag_spans(view, track)),
    )


def _list_points(track: MeasuredTrack, column: FloatColumn) -> list[tuple[datetime, float | None]]:
    rows = zip(track.positions.times.tolist(), column.tolist(), strict=True)
    return [(from_ms(at), value if isfinite(value) else None) for at, value in rows]


def _list_flag_spans(view: View, track: MeasuredTrack) -> Iterator[MarkedPeriod]:
    """The periods in which positions have a flag, each with its reasons."""
    times, flags = track.positions.times.tolist(), track.flags.tolist()
    borders = [i for i in range(1, len(flags)) if flags[i] != flags[i - 1]]
    for start, end in pairwise([0, *borders, len(flags)]):
        if flags[start]:
            reasons = [view.texts[f"track_flag_{name}"] for name in list_flags(flags[start])]
            yield MarkedPeriod(
                start=from_ms(times[start]), end=from_ms(times[end - 1]), css="flagged", label=", ".join(reasons)
            )
