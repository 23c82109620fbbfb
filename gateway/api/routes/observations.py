"""Observations of a station or a datastream: pages of JSON, or the whole period as a CSV or Parquet stream."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from msgspec import Raw
from starlette.responses import StreamingResponse

from gateway.api.data.database import Database
from gateway.api.data.latest_values import LatestValues, require_row
from gateway.api.data.table_stream import write_parts
from gateway.api.http import cursor
from gateway.api.http.openapi import describe_responses
from gateway.api.http.parameters import CursorText, InstantText, ItemId
from gateway.api.http.problems import reject_unknown_parameters
from gateway.api.http.responses import attachment_headers, licence_headers, respond_cached
from gateway.api.routes.newest import cut_page
from gateway.api.routes.places import get_latest_values, parse_datastream_id
from gateway.api.schemas.corrections import find_correction_name
from gateway.api.schemas.observations import Observations, Reading, ReadingRow, reading_from_row
from gateway.api.schemas.schema import LICENCE
from gateway.export import tables
from gateway.export.corrected import build_corrector
from gateway.export.selection import Averaging, Rows, Selection, TableFormat
from gateway.model.legal_day import TimeZoneError, check_time_zone
from gateway.model.timestamps import format_instant

router = APIRouter(dependencies=[Depends(reject_unknown_parameters)], tags=["observations"])

_MAX_DAYS = {Averaging.RAW: 2, Averaging.MINUTE: 31, Averaging.HOUR: 731, Averaging.DAY: 7310}
_MAX_EXPORT_DAYS = {Averaging.RAW: 31, Averaging.MINUTE: 366, Averaging.HOUR: 3655, Averaging.DAY: 7310}
_MAX_AGE = 2.0
_SETTLING_TIME = timedelta(hours=1)  # after its end a period changes only by late data
_EXPORT_SLOTS = asyncio.Semaphore(4)

FormatName = Annotated[
    Literal["json", "csv", "csv-nl", "parquet"] | None,
    Query(description="instead of the Accept header", alias="format"),
]
TimeZoneName = Annotated[
    str | None,
    Query(alias="timeZone", description="whose legal days `1day` averages over; without it: the area's", max_length=60),
]
Limit = Annotated[int, Query(ge=1, le=10_000)]
_RESPONSES = describe_responses(Observations, "application/json", "text/csv", "application/vnd.apache.parquet")


@dataclass(frozen=True, kw_only=True)
class PageRequest:
    """The query parameters that both routes have."""

    averaging: Averaging
    start: str | None
    end: str | None
    limit: int
    cursor: str | None
    time_zone: str | None


async def read_page_request(  # noqa: PLR0917 - they are query parameters
    averaging: Annotated[Averaging, Query(description="raw: single readings")] = Averaging.MINUTE,
    start: Annotated[InstantText, Query(description="from this time on; without it: a day before the end")] = None,
    end: Annotated[InstantText, Query(description="up to, not including, this time; without it: now")] = None,
    limit: Limit = 1_440,
    cursor_: CursorText = None,
    time_zone: TimeZoneName = None,
) -> PageRequest:
    """The dependency that reads them."""
    return PageRequest(averaging=averaging, start=start, end=end, limit=limit, cursor=cursor_, time_zone=time_zone)


@router.get(
    "/stations/{id}/observations", summary="What a station measured, newest first, in pages", responses=_RESPONSES
)
async def list_station_observations(
    request: Request,
    id_: ItemId,
    page_request: Annotated[PageRequest, Depends(read_page_request)],
    property_: Annotated[str, Query(alias="property", description="such as pm2_5", max_length=100)] = "pm2_5",
    format_: FormatName = None,
) -> Response:
    latest_values = await get_latest_values(request)
    require_row(latest_values.registry.stations, "station", id_)
    latest_values.check_parameters(observed_property=property_)
    target = (id_, property_, latest_values.registry.datastreams_of(id_, property_))
    return await _respond(request, latest_values, page_request, format_, target)


@router.get("/datastreams/{id}/observations", summary="What one sensor measured", responses=_RESPONSES)
async def list_datastream_observations(
    request: Request,
    id_: ItemId,
    page_request: Annotated[PageRequest, Depends(read_page_request)],
    format_: FormatName = None,
) -> Response:
    latest_values = await get_latest_values(request)
    number = parse_datastream_id(latest_values, id_)
    row = latest_values.registry.datastreams[number]
    return await _respond(request, latest_values, page_request, format_, (row.station, row.observed_property, [number]))


async def _respond(
    request: Request,
    latest_values: LatestValues,
    page_request: PageRequest,
    format_: str | None,
    target: tuple[str, str, Sequence[int]],
) -> Response:
    station, observed_property, ids = target
    format_name = format_ or negotiate_format(request.headers.get("accept"))
    max_days = (_MAX_DAYS if format_name == "json" else _MAX_EXPORT_DAYS)[page_request.averaging]
    start, end = resolve_period(page_request.start, page_request.end, page_request.averaging, max_days)
    selection = latest_values.registry.build_selection(
        station, observed_property, (start, end), page_request.averaging, ids
    )
    if page_request.time_zone is not None:
        selection = replace(selection, time_zone=read_time_zone(page_request.time_zone))
    if format_name != "json":
        if page_request.cursor is not None:
            raise HTTPException(400, f"cursor: {format_name} comes whole, not in pages")
        return stream_file(request, selection, TableFormat(format_name))
    at, key, offset = cursor.read(page_request.cursor, datetime, int, int)

    async def make() -> Observations:
        page = await (_fetch_readings if page_request.averaging is Averaging.RAW else _fetch_means)(
            request, selection, PageCursor(at=at, key=key, offset=offset or 0), page_request.limit
        )
        return Observations(
            station=station,
            observed_property=observed_property,
            unit=selection.unit,
            averaging=page_request.averaging.value,
            time_zone=selection.time_zone if page_request.averaging is Averaging.DAY else None,
            correction=find_correction_name(observed_property),
            start=format_instant(start),
            end=format_instant(end),
            items=list(page[0]),
            next_cursor=page[1],
            attribution=request.app.state.settings.operator,
        )

    return await respond_cached(
        request, make, max_age=_MAX_AGE if end > datetime.now(UTC) - _SETTLING_TIME else 30 * _MAX_AGE
    )


@dataclass(frozen=True, kw_only=True)
class PageCursor:
    """End of the last page: its last row's time, its batch or datastream, and how many rows had exactly these."""

    at: datetime | None = None
    key: int | None = None
    offset: int = 0


ObservationPage = tuple[Sequence[Reading | Raw], str | None]  # items and cursor; a `Raw` holds several means as JSON


async def _fetch_readings(request: Request, selection: Selection, after: PageCursor, limit: int) -> ObservationPage:
    """One page of single readings, and the cursor of the next page."""
    database: Database = request.app.state.database
    period = selection.parameters(selection.start, selection.end)
    position = {"before": after.at, "key": after.key, "offset": after.offset, "limit": limit + 1}
    rows = [ReadingRow._make(row) for row in await database.fetch_rows("select_readings", {**period, **position})]
    page_rows, last = cut_page(rows, limit)
    next_cursor = None if last is None else cursor.write(*last.position, _next_offset(page_rows, after))
    if not page_rows:
        return [], None
    end = page_rows[0].observed_at + timedelta(microseconds=1)
    correct = await build_corrector(selection, page_rows[-1].observed_at, end, database.fetch_rows)
    readings = [
        reading_from_row(row, correct(row.datastream, row.observed_at, row.value, 1, row.flags)) for row in page_rows
    ]
    return readings, next_cursor


async def _fetch_means(request: Request, selection: Selection, after: PageCursor, limit: int) -> ObservationPage:
    """One page of means, and the cursor of the next page."""
    position = None if after.at is None or after.key is None else (after.at, after.key)
    encoded_slices: list[Raw] = []
    remaining, last_mean = limit, None
    for block_slice in await request.app.state.mean_cache.fetch_slices(selection, position, limit + 1):
        if remaining:
            encoded_slices.append(Raw(block_slice.encode(remaining)))
            last_mean = block_slice.means[:remaining][-1]
        if len(block_slice) > remaining:
            return encoded_slices, None if last_mean is None else cursor.write(last_mean[0], last_mean[1].datastream, 0)
        remaining -= len(block_slice)
    return encoded_slices, None


def _next_offset(page_rows: Sequence[ReadingRow], after: PageCursor) -> int:
    """How many rows with the last row's time and batch the pages up to here hold."""
    last = page_rows[-1].position
    same_count = sum(row.position == last for row in page_rows)
    return same_count + (after.offset if (after.at, after.key) == last else 0)


def stream_file(request: Request, selection: Selection, format_: TableFormat) -> Response:
    """The whole selection as a file, written while it is sent; raises HTTPException 503 above four at a time."""
    if _EXPORT_SLOTS.locked():
        raise HTTPException(503, "too many files are being made; try again in a minute", {"Retry-After": "60"})
    database: Database = request.app.state.database
    notes = {"licence": LICENCE, "attribution": request.app.state.settings.operator}

    async def fetch(query: str, values: Mapping[str, Any]) -> Rows:
        return await database.fetch_rows(query, values)

    async def parts() -> AsyncIterator[bytes]:
        async with _EXPORT_SLOTS:
            async for part in write_parts(selection, fetch, format_, notes):
                yield part

    headers = {
        **attachment_headers(selection.file_stem, format_),
        "Cache-Control": "public, max-age=10",
        "Vary": "Accept",
        **licence_headers(request.app.state.settings),
    }
    return StreamingResponse(parts(), media_type=tables.MEDIA_TYPES[format_], headers=headers)


def negotiate_format(accept: str | None) -> str:
    """json, csv or parquet by the weights of the Accept header; raises HTTPException 406 if it allows none of them."""
    kinds = {"application/json": "json", "text/csv": "csv", "application/vnd.apache.parquet": "parquet"}
    best, weight = None, 0.0
    for part in (accept or "*/*").split(","):
        media, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = _parse_quality(parameters)
        matched = next(
            (kind for name, kind in kinds.items() if media in {name, name.split("/")[0] + "/*", "*/*"}), None
        )
        if matched is not None and quality > weight:
            best, weight = matched, quality
    if best is None:
        raise HTTPException(406, f"Accept: there are {', '.join(kinds)}")
    return best


def _parse_quality(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0


def resolve_period(
    start: str | None, end: str | None, averaging: Averaging, max_days: int
) -> tuple[datetime, datetime]:
    """The period [start, end); raises HTTPException 400 if it is empty or longer than `max_days`."""
    period_end = cursor.parse_instant("end", end) or datetime.now(UTC)
    period_start = cursor.parse_instant("start", start) or period_end - timedelta(days=1)
    if period_start >= period_end:
        raise HTTPException(400, "start: must be before end")
    if period_end - period_start > timedelta(days=max_days):
        raise HTTPException(400, f"start: {averaging} values are available for at most {max_days} days at a time")
    return period_start, period_end


def read_time_zone(name: str) -> str:
    """The time zone of legal days; raises HTTPException 400 for an unknown one."""
    try:
        return check_time_zone(name)
    except TimeZoneError as error:
        raise HTTPException(400, f"timeZone: {error}") from None
