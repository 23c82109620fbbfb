"""Areas, sites and stations as GeoJSON; datastreams, observed properties and corrections as JSON."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from msgspec import Raw, json

from edge_agent.wire import is_guest
from gateway.api.data.latest_values import LatestValues, require_row
from gateway.api.data.registry import AreaRow, ObservedPropertyRow, SiteRow
from gateway.api.http import cursor
from gateway.api.http.openapi import describe_responses
from gateway.api.http.parameters import AreaId, CursorText, ItemId, PropertyId, StationId
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
from gateway.api.schemas.schema import omit_licence
from gateway.model.timestamps import format_instant

router = APIRouter(dependencies=[Depends(reject_unknown_parameters)], tags=["places"])

GEOJSON = "application/geo+json"
_MAX_AGE = 10.0
Limit = Annotated[int, Query(ge=1, le=20_000, description="maximum number of items of a page")]


async def get_latest_values(request: Request) -> LatestValues:
    """The newest values, at most about a second behind the database; raises HTTPException 503 if that is away."""
    latest_values: LatestValues = request.app.state.latest_values
    return await latest_values.refresh_if_stale()


def _attribution(request: Request) -> str:
    return str(request.app.state.settings.operator)


def build_area(row: AreaRow, attribution: str) -> Area:
    """An area as the API shows it."""
    properties = AreaProperties(id=row.id, name=row.name, authority=row.authority, time_zone=row.time_zone)
    return Area(id=row.id, geometry=row.outline, properties=properties, attribution=attribution)


def build_site(row: SiteRow, attribution: str) -> Site:
    """A site as the API shows it."""
    properties = SiteProperties(id=row.id, name=row.name, area=row.area, operator=row.operator)
    point = build_point(row.longitude, row.latitude)
    return Site(id=row.id, geometry=point, properties=properties, attribution=attribution)


def build_station(latest_values: LatestValues, id_: ItemId, attribution: str) -> Station:
    """A station with its newest minutes."""
    row = latest_values.registry.stations[id_]
    properties = StationProperties(
        id=id_,
        name=row.name,
        area=row.area,
        station_class="guest" if is_guest(id_) else "network",
        newest=latest_values.build_minutes(id_),
    )
    point = build_point(row.longitude, row.latitude)
    return Station(id=id_, geometry=point, properties=properties, attribution=attribution)


def render_station(latest_values: LatestValues, id_: ItemId, attribution: str) -> Raw:
    """The same as JSON, reused until a value changes: of ten thousand stations only the changed ones are encoded."""
    encoded = latest_values.station_json.get(id_)
    if encoded is None:
        encoded = latest_values.station_json[id_] = Raw(
            json.encode(omit_licence(build_station(latest_values, id_, attribution)))
        )
    return encoded


def build_datastream(latest_values: LatestValues, id_: int, attribution: str) -> Datastream:
    """A datastream with its unit, as the API shows it."""
    row = latest_values.registry.datastreams[id_]
    return Datastream(
        id=id_,
        station=row.station,
        node=row.node,
        observed_property=row.observed_property,
        unit=latest_values.registry.properties[row.observed_property].unit,
        created_at=format_instant(row.created_at),
        attribution=attribution,
    )


def build_observed_property(row: ObservedPropertyRow, attribution: str) -> ObservedProperty:
    """An observed property as the API shows it."""
    return ObservedProperty(
        id=row.id,
        unit=row.unit,
        name={"nl": row.name_nl, "en": row.name_en},
        lower=row.lower,
        upper=row.upper,
        attribution=attribution,
    )


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
async def get_area(request: Request, id_: ItemId) -> Response:
    async def make() -> Area:
        latest_values = await get_latest_values(request)
        return build_area(require_row(latest_values.registry.areas, "area", id_), _attribution(request))

    return await respond_cached(request, make, max_age=_MAX_AGE, media=GEOJSON)


@router.get("/sites", summary="Watched facilities, as GeoJSON", responses=describe_responses(Sites, GEOJSON))
async def list_sites(request: Request, area: AreaId = None) -> Response:
    async def make() -> Sites:
        latest_values, attribution = await get_latest_values(request), _attribution(request)
        latest_values.check_parameters(area=area)
        rows = [row for row in latest_values.registry.sites.values() if area in {None, row.area}]
        return Sites(features=[build_site(row, attribution) for row in rows], attribution=attribution)

    return await respond_cached(request, make, max_age=_MAX_AGE, media=GEOJSON)


@router.get("/sites/{id}", summary="One watched facility", responses=describe_responses(Site, GEOJSON))
async def get_site(request: Request, id_: ItemId) -> Response:
    async def make() -> Site:
        latest_values = await get_latest_values(request)
        return build_site(require_row(latest_values.registry.sites, "site", id_), _attribution(request))

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
        ids = [row.id for row in rows if area in {None, row.area} and (after is None or row.id > after)]
        next_cursor = cursor.write(ids[limit - 1]) if len(ids) > limit else None
        features = [render_station(latest_values, id_, attribution) for id_ in ids[:limit]]
        return Stations(features=features, next_cursor=next_cursor, attribution=attribution)

    return await respond_cached(request, make, media=GEOJSON)


@router.get("/stations/{id}", summary="One station", responses=describe_responses(Station, GEOJSON))
async def get_station(request: Request, id_: ItemId) -> Response:
    async def make() -> Station:
        latest_values = await get_latest_values(request)
        require_row(latest_values.registry.stations, "station", id_)
        return build_station(latest_values, id_, _attribution(request))

    return await respond_cached(request, make, media=GEOJSON)


@router.get("/datastreams", summary="Datastreams, in pages", responses=describe_responses(Datastreams))
async def list_datastreams(  # noqa: PLR0917 - they are query parameters
    request: Request,
    area: AreaId = None,
    station: StationId = None,
    property_: PropertyId = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    cursor_: CursorText = None,
) -> Response:
    (after,) = cursor.read(cursor_, int)

    async def make() -> Datastreams:
        latest_values, attribution = await get_latest_values(request), _attribution(request)
        latest_values.check_parameters(area=area, station=station, observed_property=property_)
        ids = [
            row.id
            for row in latest_values.registry.datastreams.values()
            if station in {None, row.station}
            and property_ in {None, row.observed_property}
            and area in {None, latest_values.registry.stations[row.station].area}
            and (after is None or row.id > after)
        ]
        next_cursor = cursor.write(ids[limit - 1]) if len(ids) > limit else None
        items = [build_datastream(latest_values, id_, attribution) for id_ in ids[:limit]]
        return Datastreams(items=items, next_cursor=next_cursor, attribution=attribution)

    return await respond_cached(request, make, max_age=_MAX_AGE)


@router.get("/datastreams/{id}", summary="One datastream", responses=describe_responses(Datastream))
async def get_datastream(request: Request, id_: ItemId) -> Response:
    async def make() -> Datastream:
        latest_values = await get_latest_values(request)
        return build_datastream(latest_values, parse_datastream_id(latest_values, id_), _attribution(request))

    return await respond_cached(request, make, max_age=_MAX_AGE)


@router.get(
    "/corrections",
    summary="How corrected values beside raw ones are made",
    responses=describe_responses(Corrections),
)
async def list_corrections(request: Request) -> Response:
    async def make() -> Corrections:
        registry = (await get_latest_values(request)).registry
        return build_corrections(_attribution(request), registry.list_calibrations())

    return await respond_cached(request, make, max_age=_MAX_AGE)


def parse_datastream_id(latest_values: LatestValues, text: str) -> int:
    """The id of the datastream that a path names; raises HTTPException 404 if there is none."""
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
async def get_property(request: Request, id_: ItemId) -> Response:
    async def make() -> ObservedProperty:
        latest_values = await get_latest_values(request)
        return build_observed_property(
            require_row(latest_values.registry.properties, "property", id_), _attribution(request)
        )

    return await respond_cached(request, make, max_age=_MAX_AGE)
