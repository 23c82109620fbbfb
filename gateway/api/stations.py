"""Stations, and what they measured."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request

from gateway.api import cursor, representations
from gateway.api.problems import only_known_parameters
from gateway.api.reading import Reader

router = APIRouter(dependencies=[Depends(only_known_parameters)], tags=["stations"])


class Averaging(StrEnum):
    """Over what time a figure is a mean; `raw`: a single reading."""

    RAW = "raw"
    MINUTE = "1min"
    HOUR = "1h"
    DAY = "1day"


_LONGEST = {
    Averaging.RAW: timedelta(days=2),
    Averaging.MINUTE: timedelta(days=31),
    Averaging.HOUR: timedelta(days=731),
    Averaging.DAY: timedelta(days=7310),
}


async def features(reader: Reader, *, area: str | None = None, station: str | None = None) -> list[dict[str, Any]]:
    """Stations with their newest minute of each property, as GeoJSON Features."""
    chosen = {"area": area, "station": station}
    newest: dict[str, dict[str, object]] = {}
    for row in await reader.rows("newest", chosen):
        newest.setdefault(row[0], {})[row[1]] = representations.newest(row)
    return [representations.station(row, newest.get(row[0], {})) for row in await reader.rows("stations", chosen)]


@router.get("/stations", summary="Stations with the newest minute of each property, as GeoJSON")
async def list_stations(request: Request, area: str | None = None) -> dict[str, object]:
    found = await features(request.app.state.reader, area=area)
    return {"type": "FeatureCollection", "features": found, "licence": representations.LICENCE}


@router.get("/stations/{id}", summary="One station")
async def one_station(request: Request, id: str) -> dict[str, Any]:  # noqa: A002 - the path's word
    found = await features(request.app.state.reader, station=id)
    if not found:
        raise HTTPException(404, f"no station {id!r}")
    return found[0]


@router.get("/stations/{id}/observations", summary="What a station measured, newest first, in pages")
async def observations(  # noqa: PLR0917 - they are query parameters
    request: Request,
    id: str,  # noqa: A002 - the path's word
    property: Annotated[str, Query(description="such as pm2_5")] = "pm2_5",  # noqa: A002
    averaging: Averaging = Averaging.MINUTE,
    start: Annotated[datetime | None, Query(description="RFC 3339; without it: a day before the end")] = None,
    end: Annotated[datetime | None, Query(description="RFC 3339; without it: now")] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1_440,
    cursor_: Annotated[str | None, Query(alias="cursor")] = None,
) -> dict[str, Any]:
    reader: Reader = request.app.state.reader
    start, end = _span(start, end, averaging)
    if not await reader.rows("stations", {"area": None, "station": id}):
        raise HTTPException(404, f"no station {id!r}")
    units = {row[0]: row[1] for row in await reader.rows("properties")}
    if property not in units:
        raise HTTPException(400, f"property: no observed property {property[:40]!r}; there are {', '.join(units)}")
    before, key = cursor.read(cursor_)
    values = {"station": id, "property": property, "start": start, "end": end, "before": before, "limit": limit + 1}
    if averaging is Averaging.RAW:
        rows = await reader.rows("raw", {**values, "batch": _number(key)})
        items = [representations.raw(row) for row in rows[:limit]]
    else:
        rows = await reader.rows(f"means_{averaging.value}", values)
        items = [representations.mean(row) for row in rows[:limit]]
    last = rows[limit - 1] if len(rows) > limit else None
    return {
        "station": id,
        "observedProperty": property,
        "unit": units[property],
        "averaging": averaging.value,
        "corrected": False,
        "start": representations.instant(start),
        "end": representations.instant(end),
        "items": items,
        "nextCursor": None if last is None else cursor.write(last[1], last[4] if averaging is Averaging.RAW else ""),
        "licence": representations.LICENCE,
    }


def _span(start: datetime | None, end: datetime | None, averaging: Averaging) -> tuple[datetime, datetime]:
    for name, value in (("start", start), ("end", end)):
        if value is not None and value.tzinfo is None:
            raise HTTPException(400, f"{name}: say the time zone, such as 2026-11-21T16:00:00Z")
    end = end or datetime.now(UTC)
    try:
        start = start or end - timedelta(days=1)
        longest = _LONGEST[averaging]
        if start >= end:
            raise HTTPException(400, "start: must be before end")
        if end - start > longest:
            raise HTTPException(
                400, f"start: {averaging.value} values are given for at most {longest.days} days at a time"
            )
    except OverflowError:
        raise HTTPException(400, "end: too far from any measurement") from None
    return start, end


def _number(key: str | None) -> int | None:
    try:
        return None if key is None else int(key)
    except ValueError:
        raise HTTPException(400, "cursor: not one that this API gave out; start again without it") from None
