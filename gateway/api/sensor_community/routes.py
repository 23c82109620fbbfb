"""`/airrohr/v1`: the newest minutes of all stations in the form of Sensor.Community's data API."""

from datetime import UTC, datetime

from fastapi import APIRouter, HTTPException, Request, Response
from msgspec import Raw

from gateway.api.http.responses import respond_cached
from gateway.api.routes.places import get_latest_values
from gateway.api.sensor_community.documents import list_recent, render_station
from gateway.api.sensor_community.filters import Filter, FilterError, parse_filter

router = APIRouter(prefix="/airrohr/v1", include_in_schema=False)
_MAX_AGE = 5.0


@router.get("/filter/{filters:path}")
async def list_filtered(request: Request, filters: str) -> Response:
    """The stations that fit the filters, with what they measured in the last five minutes."""
    _reject_query(request)
    try:
        parsed = parse_filter(filters)
    except FilterError as error:
        raise HTTPException(400, str(error)) from None
    return await respond_cached(request, lambda: _make(request, parsed, None), max_age=_MAX_AGE)


@router.get("/sensor/{number}")
@router.get("/sensor/{number}/")
async def get_sensor(request: Request, number: str) -> Response:
    """One station, by its number; an empty list if it measured nothing in the last five minutes."""
    _reject_query(request)
    latest_values = await get_latest_values(request)
    stations = {str(row.number): row.id for row in latest_values.registry.stations.values()}
    if number not in stations:
        raise HTTPException(404, f"no sensor {number[:40]!r}")
    return await respond_cached(request, lambda: _make(request, Filter(), stations[number]), max_age=_MAX_AGE)


async def _make(request: Request, parsed: Filter, station: str | None) -> list[Raw]:
    latest_values = await get_latest_values(request)
    if parsed.is_empty:
        return []
    stations = latest_values.registry.stations
    recent = list_recent(latest_values, datetime.now(UTC))
    return [
        render_station(latest_values, id_, newest_ms)
        for id_, newest_ms in recent.items()
        if station in {None, id_} and id_ in stations and parsed.fits(stations[id_])
    ]


def _reject_query(request: Request) -> None:
    if request.url.query:
        raise HTTPException(400, "filters stand in the path, as in /airrohr/v1/filter/area=52.49,4.59,10")
