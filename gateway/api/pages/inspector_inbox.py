"""`/inspector`: the inbox by plume with filters and search. `/inspector/calendar`: the peaks of a month by day.

Plain pages and forms, so that they work without JavaScript and with one thumb; the inbox is live with it.
"""

import calendar
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Query
from fastapi.responses import Response

from gateway.access.identity import EVERY_AREA, Identity
from gateway.api.http import cursor
from gateway.api.inspector import inbox, service
from gateway.api.inspector.inbox import STATES, WIND_SECTORS, InboxFilters, PeakDay
from gateway.api.pages.inspector_month import midnight, parse_day, parse_month
from gateway.api.pages.inspector_page import is_own, list_own_stations, redirect, render_page, render_problems
from gateway.api.pages.renderer import View, ViewDependency
from gateway.model.properties import SHOWN_PROPERTIES
from gateway.model.texts import texts_of

router = APIRouter()
TextParameter = Annotated[str, Query(max_length=100)]
_SEVERITIES = ("minor", "moderate", "severe", "extreme")


@router.get("/inspector")
async def show_inbox(  # noqa: PLR0917 - they are query parameters
    view: ViewDependency,
    state: TextParameter = "",
    area: TextParameter = "",
    station: TextParameter = "",
    property_: Annotated[str, Query(alias="property", max_length=100)] = "",
    since: Annotated[str, Query(alias="from", max_length=40)] = "",
    until: Annotated[str, Query(alias="to", max_length=40)] = "",
    wind: TextParameter = "",
    text: TextParameter = "",
    after: Annotated[str | None, Query(max_length=300)] = None,
) -> Response:
    """Plumes in the inspector's areas, newest first. A filter that cannot be read is ignored."""

    async def make() -> Response:
        request, registry = view.request, view.registry
        identity = service.require_inspector(request)
        before, before_id = cursor.read(after, datetime, str)
        days = parse_day(since), parse_day(until)
        filters = InboxFilters(
            areas=inbox.limit_to_own_areas(request, area if area in registry.areas else ""),
            state=state if state in STATES else None,
            station=station if station in registry.stations else None,
            property=property_ if property_ in registry.properties else None,
            wind=WIND_SECTORS.get(wind),
            like=inbox.build_like(text),
            start=None if days[0] is None else midnight(days[0]),
            end=None if days[1] is None else midnight(days[1] + timedelta(days=1)),
            before=before,
            before_id=before_id,
        )
        items, last = await inbox.list_inbox(request, filters)
        query = inbox.clean_query(request.url.query)
        form = {"state": state, "area": area, "station": station, "property": property_, "wind": wind, "text": text}
        return render_page(
            view,
            "inspector.html",
            account=identity.name,
            areas=_describe_areas(view, identity),
            items=items,
            more=None if last is None else cursor.write(last.began, last.plume.id),
            selection=query,
            form=form | {"from": days[0] or "", "to": days[1] or ""},
            is_filtered=bool(query),
            states=STATES,
            winds=list(WIND_SECTORS),
            own_areas=[row for row in registry.areas.values() if is_own(identity, row.id)],
            own_stations=list_own_stations(view, identity),
            measured=_list_measured(view),
            saved=await inbox.list_saved_filters(request),
            network=await inbox.list_network_cases(request) if before is None and not query else [],
        )

    return await render_problems(view, make)


@router.post("/inspector/filters")
async def save_filter(
    view: ViewDependency,
    name: Annotated[str, Form(max_length=200)],
    query: Annotated[str, Form(max_length=1_000)] = "",
) -> Response:
    """Save the selection that is shown."""

    async def make() -> Response:
        await inbox.save_filter(view.request, name, query)
        return redirect(view, f"inspector?{inbox.clean_query(query)}")

    return await render_problems(view, make)


@router.post("/inspector/filters/delete")
async def delete_filter(view: ViewDependency, name: Annotated[str, Form(max_length=200)]) -> Response:
    """Remove a saved selection."""

    async def make() -> Response:
        await inbox.delete_filter(view.request, name)
        return redirect(view, "inspector")

    return await render_problems(view, make)


@router.get("/inspector/calendar")
async def show_calendar(view: ViewDependency, month: TextParameter = "", area: TextParameter = "") -> Response:
    """The peaks of a month by day; a month that cannot be read is this one."""

    async def make() -> Response:
        known_area = area if area in view.registry.areas else ""
        areas = inbox.limit_to_own_areas(view.request, known_area)
        identity = service.require_inspector(view.request)
        chosen = parse_month(month, view.now)
        days = await inbox.list_peak_days(view.request, areas, *chosen.bounds)
        return render_page(
            view,
            "inspector_calendar.html",
            month=chosen,
            weeks=_build_weeks(chosen.first, {day.day: day for day in days}),
            count=sum(day.count for day in days),
            severities=_SEVERITIES,
            area=known_area,
            own_areas=[row for row in view.registry.areas.values() if is_own(identity, row.id)],
        )

    return await render_problems(view, make)


def _build_weeks(first: date, days: Mapping[date, PeakDay]) -> Sequence[Sequence[tuple[date, PeakDay | None] | None]]:
    """The weeks of the month from Monday to Sunday; None for a day of another month."""
    weeks = calendar.Calendar().monthdatescalendar(first.year, first.month)
    return [[(day, days.get(day)) if day.month == first.month else None for day in week] for week in weeks]


def _describe_areas(view: View, identity: Identity) -> str:
    """The names of the inspector's areas, or that they are all."""
    if EVERY_AREA in identity.areas:
        return texts_of("inspector", view.language)["everywhere"]
    areas = view.registry.areas
    return ", ".join(areas[id_].name if id_ in areas else id_ for id_ in sorted(identity.areas))


def _list_measured(view: View) -> Sequence[str]:
    measured = {datastream.observed_property for datastream in view.registry.datastreams.values()}
    return [name for name in SHOWN_PROPERTIES if name in measured]
