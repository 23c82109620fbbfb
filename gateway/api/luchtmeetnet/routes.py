"""`/open_api`: hourly means of PM10 and PM2.5 in the form of Luchtmeetnet's open data API, for existing displays."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response

from gateway.api.data.latest_values import LatestValues
from gateway.api.http import cursor
from gateway.api.http.problems import reject_unknown_parameters
from gateway.api.http.responses import respond_cached
from gateway.api.luchtmeetnet import documents
from gateway.api.luchtmeetnet.documents import FORMULAS, NUMBER_PREFIX, Document
from gateway.api.luchtmeetnet.hours import fetch_hours
from gateway.api.routes.places import get_latest_values

router = APIRouter(prefix="/open_api", dependencies=[Depends(reject_unknown_parameters)], include_in_schema=False)
_MAX_AGE = 60.0
_ONE_STATION, _ALL_STATIONS = timedelta(days=7), timedelta(hours=24)  # longest periods
_DEFAULT = timedelta(hours=24)

Page = Annotated[int, Query(ge=1, le=10_000)]
Formula = Annotated[str | None, Query(max_length=20, description="PM10 or PM25")]
Instant = Annotated[str | None, Query(max_length=40)]


@router.get("/stations")
async def list_stations(request: Request, page: Page = 1, organisation_id: int | None = None) -> Response:
    """The stations, by number."""
    latest_values = await get_latest_values(request)
    rows = documents.list_stations(latest_values.registry) if organisation_id in {None, 1} else []
    return await _respond_page(request, [documents.build_station_item(row) for row in rows], page)


@router.get("/stations/{number}")
async def get_station(request: Request, number: str) -> Response:
    """One station."""
    latest_values = await get_latest_values(request)
    row = latest_values.registry.stations[_find_station(latest_values, number)]
    settings = request.app.state.settings

    async def make() -> Document:
        return documents.build_station(latest_values.registry, row, settings.operator, settings.public_url.rstrip("/"))

    return await respond_cached(request, make, max_age=_MAX_AGE)


@router.get("/stations/{number}/measurements")
async def list_station_measurements(  # noqa: PLR0917 - they are query parameters
    request: Request,
    number: str,
    page: Page = 1,
    formula: Formula = None,
    order: str | None = None,
    order_direction: Literal["asc", "desc"] = "desc",
) -> Response:
    """The hours of the last day of one station."""
    _check_order(order)
    latest_values = await get_latest_values(request)
    stations = [_find_station(latest_values, number)]
    period = _read_period(None, None, _ONE_STATION)
    return await _respond_hours(request, stations, (formula, period), page, order_direction)


@router.get("/measurements")
async def list_measurements(  # noqa: PLR0917 - they are query parameters
    request: Request,
    page: Page = 1,
    station_number: Annotated[str | None, Query(max_length=100)] = None,
    formula: Formula = None,
    order_by: str | None = None,
    order_direction: Literal["asc", "desc"] = "desc",
    start: Instant = None,
    end: Instant = None,
) -> Response:
    """The hours of a period: at most 7 days of one station, or 24 hours of all."""
    _check_order(order_by)
    latest_values = await get_latest_values(request)
    if station_number is None:
        stations, longest = list(latest_values.registry.stations), _ALL_STATIONS
    else:
        stations, longest = [_find_station(latest_values, station_number)], _ONE_STATION
    return await _respond_hours(request, stations, (formula, _read_period(start, end, longest)), page, order_direction)


@router.get("/components")
async def list_components(request: Request, page: Page = 1) -> Response:
    """The components."""
    return await _respond_page(request, [documents.build_component(formula) for formula in FORMULAS], page)


@router.get("/components/{formula}")
async def get_component(request: Request, formula: str) -> Response:
    """One component."""

    async def make() -> Document:
        return {"data": documents.build_component(_read_formula(formula, 404))}

    return await respond_cached(request, make, max_age=_MAX_AGE)


@router.get("/organisations")
async def list_organisations(request: Request, page: Page = 1) -> Response:
    """The only organisation."""
    return await _respond_page(request, [documents.build_organisation(request.app.state.settings.operator)], page)


def _find_station(latest_values: LatestValues, number: str) -> str:
    station = number.removeprefix(NUMBER_PREFIX)
    if not number.startswith(NUMBER_PREFIX) or station not in latest_values.registry.stations:
        raise HTTPException(404, f"no station {number[:80]!r}; numbers begin with {NUMBER_PREFIX}")
    return station


def _read_formula(text: str, status: int = 400) -> str:
    if text.upper() not in FORMULAS:
        raise HTTPException(status, f"formula: no {text[:20]!r}; there are: {', '.join(FORMULAS)}")
    return text.upper()


def _check_order(order: str | None) -> None:
    if order not in {None, "timestamp_measured"}:
        raise HTTPException(400, f"order_by: {order[:40]!r} is not possible; there is timestamp_measured")


def _read_period(start: str | None, end: str | None, longest: timedelta) -> tuple[datetime, datetime]:
    until = cursor.parse_instant("end", end)
    since = cursor.parse_instant("start", start)
    if until is None:
        until = datetime.now(UTC) if since is None else min(datetime.now(UTC), since + longest)
    since = until - _DEFAULT if since is None else since
    if since >= until:
        raise HTTPException(400, "start: must be before end")
    if until - since > longest:
        hours = longest // timedelta(hours=1)
        raise HTTPException(400, f"start: at most {hours} hours before end; with a station_number it may be 168 hours")
    return since, until


async def _respond_hours(
    request: Request,
    stations: Sequence[str],
    formula_and_period: tuple[str | None, tuple[datetime, datetime]],
    page: int,
    direction: str,
) -> Response:
    formula, period = formula_and_period
    formulas = list(FORMULAS) if formula is None else [_read_formula(formula)]

    async def make() -> Document:
        latest_values = await get_latest_values(request)
        state = request.app.state
        hours = await fetch_hours(
            state.database, latest_values.registry, stations, formulas, period, now=datetime.now(UTC)
        )
        if direction == "asc":
            hours.reverse()
        return _build_page([documents.build_measurement(hour) for hour in hours], page)

    return await respond_cached(request, make, max_age=_MAX_AGE)


async def _respond_page(request: Request, items: Sequence[Document], page: int) -> Response:
    async def make() -> Document:
        return _build_page(items, page)

    return await respond_cached(request, make, max_age=_MAX_AGE)


def _build_page(items: Sequence[Document], page: int) -> Document:
    try:
        return documents.build_page(items, page)
    except ValueError as error:
        raise HTTPException(400, str(error)) from None
