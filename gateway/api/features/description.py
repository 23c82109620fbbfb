"""Description of `/ogc`: the classes of the standard that it implements, and its OpenAPI document. Pure."""

from collections.abc import Mapping
from typing import Any

from gateway.api.features.collections import Collection

_PART_1 = "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf"
_PART_2 = "http://www.opengis.net/spec/ogcapi-features-2/1.0/conf"
CONFORMANCE = (f"{_PART_1}/core", f"{_PART_1}/geojson", f"{_PART_1}/oas30", f"{_PART_2}/crs")


def describe_api(root: str, collections: Mapping[str, Collection]) -> dict[str, Any]:
    """The OpenAPI document of these addresses."""
    paths: dict[str, Any] = {
        "/": _describe("Landing page", "application/json"),
        "/conformance": _describe("Implemented classes", "application/json"),
        "/collections": _describe("Collections", "application/json"),
    }
    for collection in collections.values():
        base = f"/collections/{collection.id}"
        paths[base] = _describe(collection.title, "application/json")
        paths[f"{base}/items"] = _describe(collection.description, "application/geo+json", _PARAMETERS)
        paths[f"{base}/items/{{featureId}}"] = _describe(
            f"One of {collection.title.lower()}", "application/geo+json", [_FEATURE_ID, _text("crs")]
        )
    return {
        "openapi": "3.0.3",
        "info": {"title": "Piekwacht: OGC API Features", "version": "1.0.0"},
        "servers": [{"url": root}],
        "paths": paths,
    }


def _text(name: str, schema: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema or {"type": "string"}}


_FEATURE_ID = {"name": "featureId", "in": "path", "required": True, "schema": {"type": "string"}}
_BOX = {"type": "array", "minItems": 4, "maxItems": 6, "items": {"type": "number"}}
_PARAMETERS = [
    {**_text("bbox", _BOX), "style": "form", "explode": False},
    _text("bbox-crs"),
    _text("datetime"),
    _text("crs"),
    _text("limit", {"type": "integer", "minimum": 1, "maximum": 10_000, "default": 10}),
    _text("offset", {"type": "integer", "minimum": 0, "default": 0}),
]


def _describe(summary: str, media: str, parameters: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    answer = {"description": summary, "content": {media: {"schema": {"type": "object"}}}}
    return {"get": {"summary": summary, "parameters": parameters or [], "responses": {"200": answer}}}
