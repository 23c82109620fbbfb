"""Areas, sites, stations, datastreams and observed properties: what there is, where it has a place as GeoJSON."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from msgspec import Raw, json

from gateway.api.data.latest_values import Board
from gateway.api.http import cursor
from gateway.api.http.openapi import answers_with
from gateway.api.http.problems import only_known_parameters
from gateway.api.http.responses import answer
from gateway.api.schemas.corrections import Corrections, every_correction
from gateway.api.schemas.places import (
    Area,
    AreaProperties,
    Areas,
    Datastream,
    Datastreams,
    ObservedProperties,
    ObservedProperty,
    Site,
    SiteProperties,
    Sites,
    Station,
    StationProperties,
    Stations,
    point,
)
from gateway.api.schemas.schema import instant

router = APIRouter(dependencies=[Depends(only_known_parameters)], tags=["places"])

GEOJSON = "application/geo+json"
_SELDOM = 10.0
Limit = Annotated[int, Query(ge=1, le=20_000, description="most items of a page")]
CursorText = Annotated[str | None, Query(alias="cursor", max_length=400, description="`nextCursor` of the last page")]
AreaId = Annotated[str | None, Query(description="only of this area", max_length=100)]
StationId = Annotated[str | None, Query(description="only of this station", max_length=100)]
PropertyId = Annotated[str | None, Query(description="such as pm2_5", max_length=100)]


async def board_of(request: Request) -> Board:
    """The board, brought up to date."""
    board: Board = request.app.state.board
    return await board.current()


def _whose(request: Request) -> str:
    return str(request.app.state.settings.operator)


def area(row: Any, whose: str) -> Area:  # noqa: ANN401 - a row of `areas`
    """A row of `areas`."""
    id_, name, authority, outline = row
    words = AreaProperties(id=id_, name=name, authority=authority)
    return Area(id=id_, geometry=outline, properties=words, attribution=whose)


def site(row: Any, whose: str) -> Site:  # noqa: ANN401 - a row of `sites`
    """A row of `sites`."""
    id_, area_id, name, operator, latitude, longitude = row
    words = SiteProperties(id=id_, name=name, area=area_id, operator=operator)
    return Site(id=id_, geometry=point(longitude, latitude), properties=words, attribution=whose)


def station(board: Board, id_: str, whose: str) -> Station:
    """A station with its newest minutes."""
    _, area_id, name, latitude, longitude = board.places.stations[id_]
    words = StationProperties(id=id_, name=name, area=area_id, newest=board.minutes(id_))
    return Station(id=id_, geometry=point(longitude, latitude), properties=words, attribution=whose)


def rendered(board: Board, id_: str, whose: str) -> Raw:
    """The same as JSON, made once until it changes: ten thousand stations should cost no more than what is new."""
    found = board.rendered.get(id_)
    if found is None:
        found = board.rendered[id_] = Raw(json.encode(station(board, id_, whose)))
    return found


def datastream(board: Board, id_: int, whose: str) -> Datastream:
    """A row of `datastreams`, with its unit."""
    _, station_id, node, observed_property, created_at = board.places.datastreams[id_]
    return Datastream(
        id=id_,
        station=station_id,
        node=node,
        observed_property=observed_property,
        unit=board.places.properties[observed_property][1],
        created_at=instant(created_at),
        attribution=whose,
    )


def observed_property(row: Any, whose: str) -> ObservedProperty:  # noqa: ANN401 - a row of `properties`
    """A row of `properties`."""
    id_, unit, dutch, english, lower, upper = row
    names = {"nl": dutch, "en": english}
    return ObservedProperty(id=id_, unit=unit, name=names, lower=lower, upper=upper, attribution=whose)


@router.get("/areas", summary="Areas of jurisdiction, as GeoJSON", responses=answers_with(Areas, GEOJSON))
async def list_areas(request: Request) -> Response:
    async def make() -> Areas:
        board, whose = await board_of(request), _whose(request)
        return Areas(features=[area(row, whose) for row in board.places.areas.values()], attribution=whose)

    return await answer(request, make, fresh=_SELDOM, media=GEOJSON)


@router.get("/areas/{id}", summary="One area", responses=answers_with(Area, GEOJSON))
async def one_area(request: Request, id: str) -> Response:  # noqa: A002 - the path's word
    async def make() -> Area:
        return area((await board_of(request)).known("area", id), _whose(request))

    return await answer(request, make, fresh=_SELDOM, media=GEOJSON)


@router.get("/sites", summary="Watched facilities, as GeoJSON", responses=answers_with(Sites, GEOJSON))
async def list_sites(request: Request, area: AreaId = None) -> Response:
    async def make() -> Sites:
        board, whose = await board_of(request), _whose(request)
        board.check(area=area)
        rows = [row for row in board.places.sites.values() if area in {None, row[1]}]
        return Sites(features=[site(row, whose) for row in rows], attribution=whose)

    return await answer(request, make, fresh=_SELDOM, media=GEOJSON)


@router.get("/sites/{id}", summary="One watched facility", responses=answers_with(Site, GEOJSON))
async def one_site(request: Request, id: str) -> Response:  # noqa: A002 - the path's word
    async def make() -> Site:
        return site((await board_of(request)).known("site", id), _whose(request))

    return await answer(request, make, fresh=_SELDOM, media=GEOJSON)


@router.get(
    "/stations",
    summary="Stations with the newest minute of each property, as GeoJSON",
    responses=answers_with(Stations, GEOJSON),
)
async def list_stations(
    request: Request, area: AreaId = None, limit: Limit = 20_000, cursor_: CursorText = None
) -> Response:
    (after,) = cursor.read(cursor_, str)

    async def make() -> Stations:
        board, whose = await board_of(request), _whose(request)
        board.check(area=area)
        rows = board.places.stations.values()
        ids = [row[0] for row in rows if area in {None, row[1]} and (after is None or row[0] > str(after))]
        more = cursor.write(ids[limit - 1]) if len(ids) > limit else None
        features = [rendered(board, id_, whose) for id_ in ids[:limit]]
        return Stations(features=features, next_cursor=more, attribution=whose)

    return await answer(request, make, media=GEOJSON)


@router.get("/stations/{id}", summary="One station", responses=answers_with(Station, GEOJSON))
async def one_station(request: Request, id: str) -> Response:  # noqa: A002 - the path's word
    async def make() -> Station:
        board = await board_of(request)
        board.known("station", id)
        return station(board, id, _whose(request))

    return await answer(request, make, media=GEOJSON)


@router.get("/datastreams", summary="Datastreams, in pages", responses=answers_with(Datastreams))
async def list_datastreams(  # noqa: PLR0917 - they are query parameters
    request: Request,
    area: AreaId = None,
    station: StationId = None,
    property: PropertyId = None,  # noqa: A002
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    cursor_: CursorText = None,
) -> Response:
    (after,) = cursor.read(cursor_, int)

    async def make() -> Datastreams:
        board, whose = await board_of(request), _whose(request)
        board.check(area=area, station=station, property=property)
        ids = [
            row[0]
            for row in board.places.datastreams.values()
            if station in {None, row[1]}
            and property in {None, row[3]}
            and area in {None, board.places.stations[row[1]][1]}
            and (after is None or row[0] > int(str(after)))
        ]
        more = cursor.write(ids[limit - 1]) if len(ids) > limit else None
        items = [datastream(board, id_, whose) for id_ in ids[:limit]]
        return Datastreams(items=items, next_cursor=more, attribution=whose)

    return await answer(request, make, fresh=_SELDOM)


@router.get("/datastreams/{id}", summary="One datastream", responses=answers_with(Datastream))
async def one_datastream(request: Request, id: str) -> Response:  # noqa: A002 - the path's word
    async def make() -> Datastream:
        board = await board_of(request)
        return datastream(board, number_of(board, id), _whose(request))

    return await answer(request, make, fresh=_SELDOM)


@router.get(
    "/corrections",
    summary="How corrected values beside raw ones are made",
    responses=answers_with(Corrections),
)
async def list_corrections(request: Request) -> Response:
    async def make() -> Corrections:
        return every_correction(_whose(request))

    return await answer(request, make, fresh=_SELDOM)


def number_of(board: Board, text: str) -> int:
    """The datastream that a path names; 404 where there is none."""
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 12 else None
    if number is None or number not in board.places.datastreams:
        raise HTTPException(404, f"no datastream {text[:80]!r}")
    return number


@router.get(
    "/observed-properties", summary="What can be measured, with units", responses=answers_with(ObservedProperties)
)
async def list_properties(request: Request) -> Response:
    async def make() -> ObservedProperties:
        board, whose = await board_of(request), _whose(request)
        items = [observed_property(row, whose) for row in board.places.properties.values()]
        return ObservedProperties(items=items, attribution=whose)

    return await answer(request, make, fresh=_SELDOM)


@router.get("/observed-properties/{id}", summary="One observed property", responses=answers_with(ObservedProperty))
async def one_property(request: Request, id: str) -> Response:  # noqa: A002 - the path's word
    async def make() -> ObservedProperty:
        return observed_property((await board_of(request)).known("property", id), _whose(request))

    return await answer(request, make, fresh=_SELDOM)
