"""`/stations/{id}/assessment`: means of a station beside published levels, as JSON or as a table."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response

from gateway.api.data.assessments import AssessedStation, assess_station
from gateway.api.data.hazard_index import load_hazard_index
from gateway.api.data.latest_values import require_row
from gateway.api.http.openapi import describe_responses
from gateway.api.http.parameters import ItemId
from gateway.api.http.problems import reject_unknown_parameters
from gateway.api.http.responses import attachment_headers, licence_headers, respond_cached
from gateway.api.routes.places import get_latest_values
from gateway.api.schemas.assessment import (
    StationAssessment,
    build_datastream_assessment,
    build_hazard_index,
    build_index,
)
from gateway.api.schemas.schema import LICENCE
from gateway.export.assessed import build_period
from gateway.export.assessment_table import write_assessments
from gateway.export.selection import TableFormat
from gateway.export.tables import MEDIA_TYPES
from gateway.model.legal_day import legal_date

router = APIRouter(dependencies=[Depends(reject_unknown_parameters)], tags=["observations"])

MAX_DAYS = 366
DEFAULT_DAYS = 30
_MAX_AGE = 60.0
DayText = Annotated[str | None, Query(max_length=10, description="a legal day of the area, as 2026-11-28")]


@router.get(
    "/stations/{id}/assessment",
    summary="How often means of a station were at or above published levels, as an indication",
    responses=describe_responses(StationAssessment, "application/json", "text/csv", "application/vnd.apache.parquet"),
)
async def get_assessment(
    request: Request,
    id_: ItemId,
    first: Annotated[DayText, Query(alias="from")] = None,
    until: Annotated[DayText, Query(alias="to", description="the day after the last one; without it: today")] = None,
    format_: Annotated[Literal["json", "csv", "csv-nl", "parquet"], Query(alias="format")] = "json",
) -> Response:
    """Whole legal days that are over; without `from` the last thirty."""
    latest_values = await get_latest_values(request)
    registry = latest_values.registry
    require_row(registry.stations, "station", id_)
    zone = registry.time_zone_of(id_)
    now = datetime.now(UTC)
    days = choose_days(first, until, legal_date(now, zone))
    period = build_period(*days, zone)
    last_hour = now.replace(minute=0, second=0, microsecond=0)
    end = last_hour if until is None else datetime.fromtimestamp(period.edges[-1], UTC)
    coverage = request.app.state.assessment.year_coverage

    async def assess() -> AssessedStation:
        return await assess_station(request.app.state.database.fetch_costly_rows, registry, id_, period, end, coverage)

    if format_ != "json":
        notes = {"licence": LICENCE, "first_day": str(days[0]), "end_day": str(days[1]), "time_zone": zone}
        table_format = TableFormat(format_)
        content = write_assessments((await assess()).streams, table_format, notes)
        stem = f"{id_}-assessment-{days[0]}-{days[1]}"
        headers = {**attachment_headers(stem, table_format), **licence_headers(request.app.state.settings)}
        return Response(content, media_type=MEDIA_TYPES[table_format], headers=headers)

    async def make() -> StationAssessment:
        assessed = await assess()
        settings = request.app.state.assessment
        hazard_index = await load_hazard_index(request.app.state.database, registry, id_, last_hour, settings)
        return StationAssessment(
            station=id_,
            first_day=days[0].isoformat(),
            end_day=days[1].isoformat(),
            time_zone=zone,
            indices=[build_index(index_class) for index_class in assessed.indices] if until is None else [],
            hazard_index=None if hazard_index is None else build_hazard_index(hazard_index),
            datastreams=[
                build_datastream_assessment(stream.datastream, stream.assessment, round(end.timestamp()))
                for stream in assessed.streams
            ],
            attribution=request.app.state.settings.operator,
        )

    return await respond_cached(request, make, max_age=_MAX_AGE)


def choose_days(first: str | None, until: str | None, today: date) -> tuple[date, date]:
    """The first day and the day after the last. Raises HTTPException 400 for days that cannot be assessed."""
    end = today if until is None else _parse_day("to", until)
    start = end - timedelta(days=DEFAULT_DAYS) if first is None else _parse_day("from", first)
    if start >= end:
        raise HTTPException(400, "from: must be a day before `to`")
    if end > today:
        raise HTTPException(400, "to: days that are not over are not assessed; give today at the latest")
    if end - start > timedelta(days=MAX_DAYS):
        raise HTTPException(400, f"from: at most {MAX_DAYS} days are assessed at once")
    return start, end


def _parse_day(name: str, text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise HTTPException(400, f"{name}: {text!r} is no day; write it as 2026-11-28") from None
    if not date(2000, 1, 2) <= day <= date(2100, 1, 1):
        raise HTTPException(400, f"{name}: must be a day between 2000 and 2100")
    return day
