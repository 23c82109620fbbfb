"""`/ogc`: OGC API Features, parts 1 (core, GeoJSON) and 2 (coordinate systems), read only."""

from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from msgspec import Raw

from gateway.api.features.collections import COLLECTIONS, Collection, Feature
from gateway.api.features.description import CONFORMANCE, describe_api
from gateway.api.features.parameters import ItemsRequest, read_items_request, read_projection
from gateway.api.features.projections import CRS84, PROJECTIONS, Projection
from gateway.api.http.problems import reject_unknown_parameters
from gateway.api.http.responses import respond_cached
from gateway.api.schemas.schema import LICENCE
from gateway.model.timestamps import format_instant

router = APIRouter(prefix="/ogc", dependencies=[Depends(reject_unknown_parameters)], include_in_schema=False)
_GEOJSON = "application/geo+json"
_MAX_AGE = {"stations": 2.0, "hourly": 60.0, "events": 2.0}
_EXTENT = {"spatial": {"bbox": [list(CRS84.bounds)], "crs": CRS84.uri}}
Format = Annotated[str | None, Query(max_length=10)]
Document = dict[str, Any]


def _root(request: Request) -> str:
    return f"{request.app.state.settings.public_url.rstrip('/')}/ogc"


def _link(href: str, rel: str, media: str = "application/json", title: str | None = None) -> Document:
    link = {"href": href, "rel": rel, "type": media}
    return link if title is None else {**link, "title": title}


@router.get("")
@router.get("/")
async def get_landing_page(request: Request, f: Format = None) -> Response:
    """Links to everything below."""
    root = _root(request)

    async def make() -> Document:
        return {
            "title": "Piekwacht",
            "description": "Short peaks of pollution: stations, hourly means, events; measured by sensors, indicative",
            "attribution": request.app.state.settings.operator,
            "links": [
                _link(root, "self"),
                _link(f"{root}/api", "service-desc", "application/vnd.oai.openapi+json;version=3.0"),
                _link(f"{root.removesuffix('/ogc')}/developers", "service-doc", "text/html"),
                _link(f"{root}/conformance", "conformance"),
                _link(f"{root}/collections", "data"),
                _link(LICENCE, "license", "text/html"),
            ],
        }

    return await _respond(request, f, make)


@router.get("/conformance")
async def get_conformance(request: Request, f: Format = None) -> Response:
    """The implemented classes of the standard."""

    async def make() -> Document:
        return {"conformsTo": list(CONFORMANCE)}

    return await _respond(request, f, make)


@router.get("/api")
async def get_api(request: Request, f: Format = None) -> Response:
    """The OpenAPI description of these addresses."""

    async def make() -> Document:
        return describe_api(_root(request), COLLECTIONS)

    return await _respond(request, f, make, media="application/vnd.oai.openapi+json;version=3.0")


@router.get("/collections")
async def list_collections(request: Request, f: Format = None) -> Response:
    """The collections."""
    root = _root(request)

    async def make() -> Document:
        return {
            "links": [_link(f"{root}/collections", "self")],
            "crs": list(PROJECTIONS),
            "collections": [_build_collection(root, collection) for collection in COLLECTIONS.values()],
        }

    return await _respond(request, f, make)


@router.get("/collections/{name}")
async def get_collection(request: Request, name: str, f: Format = None) -> Response:
    """One collection."""
    collection = _find_collection(name)

    async def make() -> Document:
        return _build_collection(_root(request), collection)

    return await _respond(request, f, make)


@router.get("/collections/{name}/items")
async def list_items(
    request: Request, name: str, items_request: Annotated[ItemsRequest, Depends(read_items_request)]
) -> Response:
    """A page of features."""
    collection = _find_collection(name)
    address = f"{_root(request)}/collections/{name}/items"

    async def make() -> Document:
        page = await collection.list_items(request, items_request)
        links = [_link(_page_address(request, address, items_request.offset), "self", _GEOJSON)]
        if page.has_more:
            links.append(
                _link(_page_address(request, address, items_request.offset + items_request.limit), "next", _GEOJSON)
            )
        if items_request.offset:
            previous = max(0, items_request.offset - items_request.limit)
            links.append(_link(_page_address(request, address, previous), "prev", _GEOJSON))
        features = [
            feature if isinstance(feature, Raw) else _project(feature, items_request.projection)
            for feature in page.features
        ]
        matched = {} if page.matched is None else {"numberMatched": page.matched}
        return {
            "type": "FeatureCollection",
            "timeStamp": format_instant(datetime.now(UTC)),
            **matched,
            "numberReturned": len(features),
            "licence": LICENCE,
            "attribution": request.app.state.settings.operator,
            "links": links,
            "features": features,
        }

    headers = {"Content-Crs": f"<{items_request.projection.uri}>"}
    return await respond_cached(request, make, max_age=_MAX_AGE[name], media=_GEOJSON, headers=headers)


@router.get("/collections/{name}/items/{feature_id}")
async def get_item(
    request: Request,
    name: str,
    feature_id: str,
    crs: Annotated[str | None, Query(max_length=100)] = None,
    f: Format = None,
) -> Response:
    """One feature."""
    collection, projection = _find_collection(name), read_projection("crs", crs)
    _check_format(f)
    address = f"{_root(request)}/collections/{name}"

    async def make() -> Document:
        feature = _project(await collection.find_item(request, feature_id), projection)
        links = [
            _link(f"{address}/items/{quote(feature_id, safe='')}", "self", _GEOJSON),
            _link(address, "collection"),
        ]
        return {**feature, "links": links}

    headers = {"Content-Crs": f"<{projection.uri}>"}
    return await respond_cached(request, make, max_age=_MAX_AGE[name], media=_GEOJSON, headers=headers)


def _find_collection(name: str) -> Collection:
    if name not in COLLECTIONS:
        raise HTTPException(404, f"no collection {name[:40]!r}; there are: {', '.join(COLLECTIONS)}")
    return COLLECTIONS[name]


def _build_collection(root: str, collection: Collection) -> Document:
    address = f"{root}/collections/{collection.id}"
    return {
        "id": collection.id,
        "title": collection.title,
        "description": collection.description,
        "itemType": "feature",
        "extent": _EXTENT,
        "crs": list(PROJECTIONS),
        "storageCrs": CRS84.uri,
        "links": [
            _link(address, "self"),
            _link(f"{address}/items", "items", _GEOJSON, collection.title),
            _link(LICENCE, "license", "text/html"),
        ],
    }


def _page_address(request: Request, address: str, offset: int) -> str:
    """The address of a page of the same request."""
    pairs = [(name, value) for name, value in request.query_params.multi_items() if name != "offset"]
    query = urlencode([*pairs, ("offset", offset)] if offset else pairs, safe=":/,")
    return f"{address}?{query}" if query else address


def _project(feature: Feature, projection: Projection) -> Feature:
    if projection is CRS84:
        return feature
    longitude, latitude = feature["geometry"]["coordinates"]
    return {**feature, "geometry": {"type": "Point", "coordinates": projection.write(longitude, latitude)}}


def _check_format(f: str | None) -> None:
    if f not in {None, "json"}:
        raise HTTPException(400, "f: there is json")


async def _respond(request: Request, f: str | None, make: Any, media: str = "application/json") -> Response:  # noqa: ANN401 - makes the document
    _check_format(f)
    return await respond_cached(request, make, max_age=60.0, media=media)
