"""`/site-reports` and `/events/{id}/statements`: what others state, beside what was measured."""

from datetime import UTC, datetime, timedelta

from fastapi import APIRouter, Depends, HTTPException, Request, Response

from gateway.api.data.database import Database
from gateway.api.data.site_statements import load_event_statements, load_matched_reports
from gateway.api.data.statement_documents import build_report, build_statements, build_times
from gateway.api.http import cursor
from gateway.api.http.openapi import describe_responses
from gateway.api.http.parameters import AreaId, InstantText, ItemId
from gateway.api.http.problems import reject_unknown_parameters
from gateway.api.http.responses import respond_cached
from gateway.api.routes.events import fetch_event
from gateway.api.routes.places import get_latest_values
from gateway.api.schemas.statements import EventStatements, SiteReports
from gateway.model.timestamps import format_instant

router = APIRouter(dependencies=[Depends(reject_unknown_parameters)], tags=["events"])

DEFAULT_PERIOD = timedelta(days=365)
_LONGEST = timedelta(days=3_653)
_MAX_AGE = 60.0


@router.get(
    "/site-reports",
    summary="Incidents that operators of watched sites reported, and how long after measured events",
    responses=describe_responses(SiteReports),
)
async def list_site_reports(
    request: Request, area: AreaId = None, start: InstantText = None, end: InstantText = None
) -> Response:
    """Reports of a period; without `start` of the year before `end`."""
    period_end = cursor.parse_instant("end", end) or datetime.now(UTC)
    period_start = cursor.parse_instant("start", start) or period_end - DEFAULT_PERIOD
    if period_start >= period_end:
        raise HTTPException(400, "start: must be before end")
    if period_end - period_start > _LONGEST:
        raise HTTPException(400, "start: at most ten years are listed at once")

    async def make() -> SiteReports:
        latest_values = await get_latest_values(request)
        latest_values.check_parameters(area=area)
        database: Database = request.app.state.database
        matches = await load_matched_reports(database, area, (period_start, period_end))
        return SiteReports(
            start=format_instant(period_start),
            end=format_instant(period_end),
            times=build_times(latest_values.registry, matches),
            items=[build_report(match) for match in matches],
            attribution=request.app.state.settings.operator,
        )

    return await respond_cached(request, make, max_age=_MAX_AGE)


@router.get(
    "/events/{id}/statements",
    summary="What others state about the time of an event: complaints, reports and values of sites",
    responses=describe_responses(EventStatements),
)
async def get_event_statements(request: Request, id_: ItemId) -> Response:
    """Counts of complaints under five are null."""

    async def make() -> EventStatements:
        latest_values = await get_latest_values(request)
        event = await fetch_event(request, id_)
        database: Database = request.app.state.database
        statements = await load_event_statements(database, latest_values.registry, event, datetime.now(UTC))
        return build_statements(id_, statements, request.app.state.settings.operator)

    return await respond_cached(request, make, max_age=_MAX_AGE)
