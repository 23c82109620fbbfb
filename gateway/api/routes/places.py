"""Areas, sites, stations, datastreams and observed properties: what there is, where it has a place as GeoJSON."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from msgspec import Raw, json

from gateway.api.data.latest_values import LatestValues
from gateway.api.http import cursor
from gateway.api.http.openapi import describe_responses
from gateway.api.http.problems import reject_unknown_parameters
from gateway.api.http.responses import respond_cached
from gateway.api.schemas.corrections import Corrections, build_corrections
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
    build_point,
)
from gateway.api.schemas.schema import format_instant

router = APIRouter(dependencies=[Depends(reject_unknown_parameters)], tags=["places"])

GEOJSON = "application/geo+json"
_MAX_AGE = 10.0
Limit = Annotated[int, Query(ge=1, le=20_000, description="most items of a page")]
CursorText = Annotated[str | None, Query(alias="cursor", max_length=400, description="`nextCursor` of the last page")]
AreaId = Annotated[str | None, Query(description="only of this area", max_length=100)]
StationId = Annotated[str | None, Query(description="only of this station", max_length=100)]
PropertyId = Annotated[str | None, Query(description="such as pm2_5", max_length=100)]


async def get_latest_values(request: Request) -> LatestValues:
    """The board, brought up to date."""
    latest_values: LatestValues = request.app.state.latest_values
    return await latest_values.refresh_if_stale()


def _attribution(request: Request) -> str:
    return str(request.app.state.settings.operator)


def build_area(row: Any, attribution: str) -> Area:  # noqa: ANN401 - a row of `areas`
    """A row of `areas`."""
    id_, name, authority, outline = row
    properties = AreaProperties(id=id_, name=name, authority=authority)
    return Area(id=id_, geometry=outline, properties=properties, attribution=attribution)


def build_site(row: Any, attribution: str) -> Site:  # noqa: ANN401 - a row of `sites`
    """A row of `sites`."""
    id_, area_id, name, operator, latitude, longitude = row
    properties = SiteProperties(id=id_, name=name, area=area_id, operator=operator)
    return Site(id=id_, geometry=build_point(longitude, latitude), properties=properties, attribution=attribution)


def build_station(latest_values: LatestValues, id_: str, attribution: str) -> Station:
    """A station with its newest minutes."""
    _, area_id, name, latitude, longitude = latest_values.registry.stations[id_]
    properties = StationProperties(id=id_, name=name, area=area_id, newest=latest_values.build_minutes(id_))
    return Station(id=id_, geometry=build_point(longitude, latitude), properties=properties, attribution=attribution)


def render_station(latest_values: LatestValues, id_: str, attribution: str) -> Raw:
    """The same as JSON, made once until it changes: ten thousand stations should cost no more than what is new."""
    encoded = latest_values.station_json.get(id_)
    if encoded is None:
        encoded = latest_values.station_json[id_] = Raw(json.encode(build_station(latest_values, id_, attribution)))
    return encoded


def build_datastream(latest_values: LatestValues, id_: int, attribution: str) -> Datastream:
    """A row of `datastreams`, with its unit."""
    _, station_id, node, observed_property, created_at = latest_values.registry.datastreams[id_]
    return Datastream(
        id=id_,
        station=station_id,
        node=node,
        observed_property=observed_property,
        unit=latest_values.registry.properties[observed_property][1],
        created_at=format_instant(created_at),
        attribution=attribution,
    )


def build_observed_property(row: Any, attribution: str) -> ObservedProperty:  # noqa: ANN401 - a row of `properties`
    """A row of `properties`."""
    id_, unit, name_nl, name_en, lower, upper = row
    names = {"nl": name_nl, "en": name_en}
    return ObservedProperty(id=id_, unit=unit, name=names, lower=lower, upper=upper, attribution=attribution)


@router.get("/areas", summary="Areas of jurisdiction, as GeoJSON", responses=describe_responses(Areas, GEOJSON))
async def list_areas(request: Request) -> Response:
    async def make() -> Areas:
        latest_values, attribution = await get_latest_values(request), _attribution(request)
        return Areas(
            features=[build_area(row, attribution) for row in latest_values.registry.areas.values()],
            attribution=attribution,
        )

    return await respond_cached(request, make, max_age=_MAX_AGE, media=GEOJSON)


@router.get("/areas/{id}", summary="One area", responses=describe_responses(Area, GEOJSON))
async def get_area(request: Request, id: str) -> Response:  # noqa: A002 - the path's word
    async def make() -> Area:
        return build_area((await get_latest_values(request)).require_place("area", id), _attribution(request))

    return await respond_cached(request, make, max_age=_MAX_AGE, media=GEOJSON)


@router.get("/sites", summary="Watched facilities, as GeoJSON", responses=describe_responses(Sites, GEOJSON))
async def list_sites(request: Request, area: AreaId = None) -> Response:
    async def make() -> Sites:
        latest_values, attribution = await get_latest_values(request), _attribution(request)
        latest_values.check_parameters(area=area)
        rows = [row for row in latest_values.registry.sites.values() if area in {None, row[1]}]
        return Sites(features=[build_site(row, attribution) for row in rows], attribution=attribution)

    return await respond_cached(request, make, max_age=_MAX_AGE, media=GEOJSON)


@router.get("/sites/{id}", summary="One watched facility", responses=describe_responses(Site, GEOJSON))
async def get_site(request: Request, id: str) -> Response:  # noqa: A002 - the path's word
    async def make() -> Site:
        return build_site((await get_latest_values(request)).require_place("site", id), _attribution(request))

    return await respond_cached(request, make, max_age=_MAX_AGE, media=GEOJSON)


@router.get(
    "/stations",
    summary="Stations with the newest minute of each property, as GeoJSON",
    responses=describe_responses(Stations, GEOJSON),
)
async def list_stations(
    request: Request, area: AreaId = None, limit: Limit = 20_000, cursor_: CursorText = None
) -> Response:
    (after,) = cursor.read(cursor_, str)

    async def make() -> Stations:
        latest_values, attribution = await get_latest_values(request), _attribution(request)
        latest_values.check_parameters(area=area)
        rows = latest_values.registry.stations.values()
        ids = [row[0] for row in rows if area in {None, row[1]} and (after is None or row[0] > str(after))]
        next_cursor = cursor.write(ids[limit - 1]) if len(ids) > limit else None
        features = [render_station(latest_values, id_, attribution) for id_ in ids[:limit]]
        return Stations(features=features, next_cursor=next_cursor, attribution=attribution)

    return await respond_cached(request, make, media=GEOJSON)


@router.get("/stations/{id}", summary="One station", responses=describe_responses(Station, GEOJSON))
async def get_station(request: Request, id: str) -> Response:  # noqa: A002 - the path's word
    async def make() -> Station:
        latest_values = await get_latest_values(request)
        latest_values.require_place("station", id)
        return build_station(latest_values, id, _attribution(request))

    return await respond_cached(request, make, media=GEOJSON)


@router.get("/datastreams", summary="Datastreams, in pages", responses=describe_responses(Datastreams))
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
        latest_values, attribution = await get_latest_values(request), _attribution(request)
        latest_values.check_parameters(area=area, station=station, property=property)
        ids = [
            row[0]
            for row in latest_values.registry.datastreams.values()
            if station in {None, row[1]}
            and property in {None, row[3]}
            and area in {None, latest_values.registry.stations[row[1]][1]}
            and (after is None or row[0] > int(str(after)))
        ]
        next_cursor = cursor.write(ids[limit - 1]) if len(ids) > limit else None
        items = [build_datastream(latest_values, id_, attribution) for id_ in ids[:limit]]
        return Datastreams(items=items, next_cursor=next_cursor, attribution=attribution)

    return await respond_cached(request, make, max_age=_MAX_AGE)


@router.get("/datastreams/{id}", summary="One datastream", responses=describe_responses(Datastream))
async def get_datastream(request: Request, id: str) -> Response:  # noqa: A002 - the path's word
    async def make() -> Datastream:
        latest_values = await get_latest_values(request)
        return build_datastream(latest_values, parse_datastream_id(latest_values, id), _attribution(request))

    return await respond_cached(request, make, max_age=_MAX_AGE)


@router.get(
    "/corrections",
    summary="How corrected values beside raw ones are made",
    responses=describe_responses(Corrections),
)
async def list_corrections(request: Request) -> Response:
    async def make() -> Corrections:
        return build_corrections(_attribution(request))

    return await respond_cached(request, make, max_age=_MAX_AGE)


def parse_datastream_id(latest_values: LatestValues, text: str) -> int:
    """The datastream that a path names; 404 where there is none."""
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 12 else None
    if number is None or number not in latest_values.registry.datastreams:
        raise HTTPException(404, f"no datastream {text[:80]!r}")
    return number


@router.get(
    "/observed-properties", summary="What can be measured, with units", responses=describe_responses(ObservedProperties)
)
async def list_properties(request: Request) -> Response:
    async def make() -> ObservedProperties:
        latest_values, attribution = await get_latest_values(request), _attribution(request)
        items = [build_observed_property(row, attribution) for row in latest_values.registry.properties.values()]
        return ObservedProperties(items=items, attribution=attribution)

    return await respond_cached(request, make, max_age=_MAX_AGE)


@router.get(
    "/observed-properties/{id}", summary="One observed property", responses=describe_responses(ObservedProperty)
)
async def get_property(request: Request, id: str) -> Response:  # noqa: A002 - the path's word
    async def make() -> ObservedProperty:
        return build_observed_property(
            (await get_latest_values(request)).require_place("property", id), _attribution(request)
        )

    return await respond_cached(request, make, max_age=_MAX_AGE)
