"""`/events`: the list of plumes. `/plumes/{id}`: one plume with charts, map, table, chronology and who was notified."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Annotated

import msgspec
from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from alerting.vocabulary import LOCAL_TIMEZONE
from gateway.api.data.area_base import AreaBase
from gateway.api.http import cursor
from gateway.api.http.parameters import ItemId
from gateway.api.pages.beside import build_beside
from gateway.api.pages.event_map import describe_wind, draw_event_map
from gateway.api.pages.plume_charts import build_charts
from gateway.api.pages.plume_texts import (
    build_chronology,
    build_plume_sentence,
    build_title,
    describe_notified,
    name_stations,
)
from gateway.api.pages.renderer import View, ViewDependency, respond_html, respond_missing
from gateway.api.routes import events, plumes
from gateway.api.routes.newest import cut_page
from gateway.api.routes.plumes import PlumeFilters
from gateway.api.schemas.events import Event, Neighbours
from gateway.api.schemas.plumes import Plume
from gateway.model.properties import SHOWN_PROPERTIES

router = APIRouter()
FromDay = Annotated[str, Query(alias="from", max_length=40)]
ToDay = Annotated[str, Query(alias="to", max_length=40)]
_PAGE_SIZE = 50


@router.get("/events")
async def show_plumes(  # noqa: PLR0917 - they are query parameters
    view: ViewDependency,
    area: str = "",
    property_: Annotated[str, Query(alias="property")] = "",
    after: str | None = None,
    since: FromDay = "",
    until: ToDay = "",
) -> HTMLResponse:
    """Plumes, newest first. An unknown area or property and a day that cannot be parsed are ignored."""
    registry = view.latest_values.registry
    before, before_id = cursor.read(after, datetime, str)
    known_area = area if area in registry.areas else None
    known_property = property_ if property_ in registry.properties else None
    days = _parse_day(since), _parse_day(until)
    filters = PlumeFilters(
        area=known_area,
        property=known_property,
        before=before,
        before_id=before_id,
        start=None if days[0] is None else _midnight(days[0]),
        end=None if days[1] is None else _midnight(days[1] + timedelta(days=1)),
    )
    page, last = cut_page(await plumes.fetch_plumes(view.request, _PAGE_SIZE + 1, filters), _PAGE_SIZE)
    measured_ids = {datastream.observed_property for datastream in registry.datastreams.values()}
    return respond_html(
        view,
        view.render(
            "events.html",
            plumes=[item.document for item in page],
            more=None if last is None else cursor.write(last.began, last.document.id),
            filters={"area": known_area, "property": known_property},
            measured=[name for name in SHOWN_PROPERTIES if name in measured_ids],
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


@router.get("/plumes/{id}")
async def show_plume(view: ViewDependency, id_: ItemId) -> HTMLResponse:
    """One plume. The address is permanent."""
    if "\0" in id_ or len(id_) > 100:
        return respond_missing(view)
    try:
        plume = await plumes.fetch_plume(view.request, id_)
    except HTTPException as error:
        if error.status_code != 404:
            raise
        return respond_missing(view)
    values = await build_plume_values(view, plume)
    return respond_html(view, view.render("plume.html", chronology=build_chronology(view, plume), **values))


async def build_plume_values(view: View, plume: Plume, neighbours: Sequence[str] = ()) -> dict[str, object]:
    """The values of the cards of a plume, for the public page and the one of inspectors.

    `neighbours`: further stations whose curves are drawn.
    """
    leading = await events.fetch_event(view.request, plume.leading)
    return {
        "plume": plume,
        "event": leading,
        "title": build_title(view, plume),
        "stations": name_stations(view, plume),
        "sentence": build_plume_sentence(view, plume),
        "notified": describe_notified(view, plume),
        "charts": await build_charts(view, plume, neighbours),
        "plume_map": _draw_map(view, plume, leading),
        "wind": describe_wind(view, leading.around),
        **await build_beside(view, leading),
    }


def _draw_map(view: View, plume: Plume, leading: Event) -> Markup:
    """The map of the leading event, on which the other stations of the plume are those that rose too."""
    others = [station.id for station in plume.stations if station.id != leading.station]
    neighbours = leading.around.neighbours or Neighbours(fresh=len(others), risen=len(others))
    around = msgspec.structs.replace(leading.around, neighbours=msgspec.structs.replace(neighbours, stations=others))
    bases: dict[str, AreaBase] = view.request.app.state.area_bases
    return draw_event_map(view, msgspec.structs.replace(leading, around=around), bases.get(leading.area))
