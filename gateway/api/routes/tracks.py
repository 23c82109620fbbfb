"""`/tracks` and `/grid-cells`: where mobile stations measured, as GeoJSON and OGC Moving Features JSON.

A mobile station is no station of `/stations`: its readings are of no place but that of its track. The hidden parts of a
resident's ride, and cells with passes on fewer than four days, are for inspectors alone, who ask for them by name.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from msgspec import json

from gateway.access.authorization import require_scope
from gateway.access.identity import Scope
from gateway.api.data.database import Database
from gateway.api.data.latest_values import LatestValues
from gateway.api.data.registry import PublicRegistry
from gateway.api.data.tracks import MeasuredTrack, TrackRow, fetch_track_row, measure_track
from gateway.api.http import cursor
from gateway.api.http.openapi import describe_responses
from gateway.api.http.parameters import AreaId, CursorText, ItemId, PropertyId, StationId
from gateway.api.http.problems import reject_unknown_parameters
from gateway.api.http.responses import respond_cached
from gateway.api.routes.places import GEOJSON, get_latest_values
from gateway.api.routes.track_documents import build_moving_feature, build_track
from gateway.api.schemas.tracks import (
    GridCell,
    GridCellProperties,
    GridCells,
    MovingFeature,
    Track,
    Tracks,
    TrackSummary,
)
from gateway.model.figures import round_figure, shorten
from gateway.model.properties import SHOWN_PROPERTIES
from gateway.model.timestamps import format_instant
from gateway.tracks.cells import CELL_METRES, MIN_DAYS, outline_cell

router = APIRouter(dependencies=[Depends(reject_unknown_parameters)], tags=["tracks"])

_MAX_AGE = 10.0
_CELL_AGE = 60.0  # cells change with whole rides
_MAX_CELLS = 20_000
_SECURITY: dict[str, Any] = {"security": [{}, {"key": []}, {"session": []}]}
BuildDocument = Callable[[MeasuredTrack, Sequence[str], PublicRegistry, str], Track | MovingFeature]
Exact = Annotated[bool, Query(description="for inspectors: also what is hidden of a resident's ride")]
AllCells = Annotated[bool, Query(alias="all", description="for inspectors: also cells with fewer than four days")]


@router.get(
    "/tracks", summary="Rides and flights of mobile stations, newest first", responses=describe_responses(Tracks)
)
async def list_tracks(
    request: Request,
    area: AreaId = None,
    station: StationId = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    after: CursorText = None,
) -> Response:
    """The shown part of each; a resident's ride that is too short for that is left out."""

    async def make() -> Tracks:
        latest_values = await get_latest_values(request)
        latest_values.check_parameters(area=area)
        stations = latest_values.registry.mobile_stations
        if station is not None and station not in stations:
            names = ", ".join(stations) or "none"
            raise HTTPException(400, f"station: no mobile station {station[:80]!r}; there are: {names}")
        rows = await fetch_tracks(request.app.state.database, area, station, limit + 1, after)
        page, last = rows[:limit], rows[limit - 1] if len(rows) > limit else None
        return Tracks(
            items=[build_summary(latest_values.registry, row) for row in page if row.station in stations],
            next_cursor=None if last is None else cursor.write(last.start, last.id),
            attribution=request.app.state.settings.operator,
        )

    return await respond_cached(request, make, max_age=_MAX_AGE)


async def fetch_tracks(
    database: Database, area: str | None, station: str | None, limit: int, after: str | None = None
) -> list[TrackRow]:
    """The newest tracks, after a cursor. HTTPException 400 if it is none."""
    before, id_ = cursor.read(after, datetime, str)
    values = {"area": area, "station": station, "before": before, "id": id_, "limit": limit}
    return await database.fetch(TrackRow, "select_tracks", values)


def build_summary(registry: PublicRegistry, row: TrackRow) -> TrackSummary:
    """A track of a known station in a list."""
    carrier = registry.mobile_stations[row.station]
    return TrackSummary(
        id=row.id,
        station=row.station,
        station_name=carrier.name,
        area=row.area,
        vehicle=carrier.vehicle,  # type: ignore[arg-type]
        start=format_instant(row.start),
        end=format_instant(row.end),
        metres=round(row.metres),
        positions=row.positions,
    )


@router.get(
    "/tracks/{id}",
    summary="One track with what was measured along it",
    responses=describe_responses(Track, GEOJSON),
    openapi_extra=_SECURITY,
)
async def get_track(request: Request, id_: ItemId, *, property_: PropertyId = None, exact: Exact = False) -> Response:
    """`property` alone, or all that pages show; `exact` needs the scope read:exact-location in the track's area."""
    return await _respond_track(request, id_, property_, build_track, exact=exact)


@router.get(
    "/tracks/{id}/moving-feature",
    summary="One track as OGC Moving Features JSON",
    responses=describe_responses(MovingFeature, GEOJSON),
    openapi_extra=_SECURITY,
)
async def get_moving_feature(
    request: Request, id_: ItemId, *, property_: PropertyId = None, exact: Exact = False
) -> Response:
    """The same track and values as `/tracks/{id}`, as a moving point and its properties in time."""
    return await _respond_track(request, id_, property_, build_moving_feature, exact=exact)


async def _respond_track(
    request: Request, id_: str, property_: str | None, build: BuildDocument, *, exact: bool
) -> Response:
    database: Database = request.app.state.database

    async def make() -> Track | MovingFeature:
        latest_values = await get_latest_values(request)
        latest_values.check_parameters(observed_property=property_)
        row = await fetch_track_row(database, id_)
        track = await measure_track(database, latest_values.registry, row, exact=exact)
        names = [name for name in track.values if name == property_ or (property_ is None and name in SHOWN_PROPERTIES)]
        return build(track, names, latest_values.registry, request.app.state.settings.operator)

    if exact:
        row = await fetch_track_row(database, id_)
        await require_scope(request, Scope.READ_EXACT_LOCATION, f"track {row.id}", row.area)
        return _respond_private(await make())
    return await respond_cached(request, make, max_age=_MAX_AGE, media=GEOJSON)


@router.get(
    "/grid-cells",
    summary="Cells of 50 m that vehicles crossed: the median over passes",
    responses=describe_responses(GridCells, GEOJSON),
    openapi_extra=_SECURITY,
)
async def list_grid_cells(
    request: Request,
    *,
    area: AreaId = None,
    property_: Annotated[str, Query(alias="property", description="such as pm2_5", max_length=100)] = "pm2_5",
    all_: AllCells = False,
) -> Response:
    """Passes on fewer than four days show those days rather than the place."""

    async def make() -> GridCells:
        latest_values = await get_latest_values(request)
        latest_values.check_parameters(area=area, observed_property=property_)
        return await build_grid_cells(request, latest_values, area, property_, 1 if all_ else MIN_DAYS)

    if all_:
        (await get_latest_values(request)).check_parameters(area=area)
        await require_scope(request, Scope.READ_EXACT_LOCATION, f"grid cells {area or 'of all areas'}", area)
        return _respond_private(await make())
    return await respond_cached(request, make, max_age=_CELL_AGE, media=GEOJSON)


async def build_grid_cells(
    request: Request, latest_values: LatestValues, area: str | None, observed_property: str, least_days: int
) -> GridCells:
    """The cells of a known property, of one area or of all. HTTPException 503 if there are over 20,000."""
    database: Database = request.app.state.database
    cells: list[GridCell] = []
    for id_ in latest_values.registry.areas if area is None else [area]:
        values = {"area": id_, "property": observed_property, "days": least_days, "limit": _MAX_CELLS + 1}
        rows = await database.fetch_costly_rows("select_grid_cells", values)
        cells += [_build_cell(id_, _CellRow._make(row)) for row in rows]
        if len(cells) > _MAX_CELLS:
            raise HTTPException(503, f"over {_MAX_CELLS} cells: ask for one area")
    return GridCells(
        observed_property=observed_property,
        unit=latest_values.registry.properties[observed_property].unit,
        least_days=least_days,
        cell_metres=CELL_METRES,
        features=cells,
        attribution=request.app.state.settings.operator,
    )


class _CellRow(NamedTuple):
    north: int
    east: int
    value: float
    background: float | None
    passes: int
    days: int
    readings: int


def _build_cell(area: str, row: _CellRow) -> GridCell:
    properties = GridCellProperties(
        area=area,
        value=round_figure(row.value),
        background=shorten(row.background),
        passes=row.passes,
        days=row.days,
        readings=row.readings,
    )
    geometry = {"type": "Polygon", "coordinates": [outline_cell(row.north, row.east)]}
    return GridCell(id=f"{row.north}/{row.east}", geometry=geometry, properties=properties)


def _respond_private(document: object) -> Response:
    return Response(json.encode(document), media_type=GEOJSON, headers={"Cache-Control": "no-store"})
