"""The OpenAPI document: schemas made from the representations, an example for every answer."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from msgspec import json as msgjson

from gateway.api import representations as r
from gateway.api.headers import VERSION

_REF = "#/components/schemas/{name}"
_PROBLEM = "application/problem+json"
_WRONG = {
    400: "A parameter makes no sense; `detail` names it",
    404: "There is no such thing, or no such address",
    405: "Only GET and HEAD",
    406: "Accept asks for a kind that is not made here",
    414: "The address is too long",
    503: "The database, or a place in the house, is not to be had now",
}
_SHAPES = (
    r.Areas, r.Area, r.Sites, r.Site, r.Stations, r.Station, r.ObservedProperties, r.ObservedProperty, r.Datastreams,
    r.Datastream, r.Reading, r.Mean, r.Observations, r.Events, r.Event, r.Revisions, r.Alerts, r.Alert, r.Landing,
    r.Correction, r.Corrections, r.Problem,
)  # fmt: skip


def answers_with(shape: type, *medias: str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that answers with this type, and with problems."""
    reference = {"schema": {"$ref": _REF.format(name=shape.__name__)}}
    content: dict[str, Any] = {}
    for media in medias or ("application/json",):
        is_json = media.endswith("json")
        content[media] = reference if is_json else {"schema": {"type": "string", "format": "binary"}}
    answers: dict[int | str, dict[str, Any]] = {200: {"description": shape.__doc__ or "", "content": content}}
    for status, words in _WRONG.items():
        answers[status] = {
            "description": words,
            "content": {
                _PROBLEM: {"schema": {"$ref": _REF.format(name="Problem")}, "example": _problem(status, words)}
            },
        }
    return answers


def _problem(status: int, words: str) -> dict[str, object]:
    return {"type": "about:blank", "title": words.split(";", maxsplit=1)[0], "status": status, "detail": words}


def install(app: FastAPI) -> None:
    """Give the application its own document, made once."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _made(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _made(app: FastAPI) -> dict[str, Any]:
    made = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        servers=app.servers,
        contact=app.contact,
        license_info=app.license_info,
        tags=_TAGS,
    )
    _, components = msgjson.schema_components(_SHAPES, ref_template=_REF)
    kept = made.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        kept.pop(name, None)
    kept.update(components)
    for path in made["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
            for answer in operation["responses"].values():
                answer.setdefault("headers", {})["API-Version"] = {
                    "description": "Version of this API",
                    "schema": {"type": "string", "example": VERSION},
                }
            _exemplify(operation, components)
    return made


def _exemplify(operation: dict[str, Any], components: dict[str, Any]) -> None:
    content = operation["responses"].get("200", {}).get("content", {})
    if content.get("application/json", {}).get("schema") == {}:
        del content["application/json"]  # FastAPI's own guess
    for media in operation["responses"].get("200", {}).get("content", {}).values():
        reference = media.get("schema", {}).get("$ref")
        if reference:
            media["example"] = _example({"$ref": reference}, components)


def _example(schema: dict[str, Any], components: dict[str, Any]) -> Any:  # noqa: ANN401, PLR0911 - JSON
    """A value of that schema: its own example where it has one."""
    if "$ref" in schema:
        return _example(components[schema["$ref"].rsplit("/", 1)[1]], components)
    for name in ("examples", "enum"):
        if schema.get(name):
            return schema[name][0]
    if "default" in schema and schema["default"] is not None:
        return schema["default"]
    if "anyOf" in schema:
        return _example(schema["anyOf"][0], components)
    kind = schema.get("type")
    if kind == "object":
        return {name: _example(part, components) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [_example(schema["items"], components)] if schema.get("items") else []
    return {"string": "Wijk aan Zee", "integer": 1, "number": 8.1, "boolean": False}.get(str(kind))


_TAGS = [
    {"name": "places", "description": "Areas, sites, stations, datastreams and what can be measured"},
    {"name": "observations", "description": "What was measured: raw and as means over a minute, an hour, a day"},
    {"name": "events", "description": "Short peaks, with background, certainty and every correction"},
    {"name": "alerts", "description": "Which inspectorate was told, and when"},
    {"name": "live", "description": "Server-sent events and WebSocket: new values and events as they are committed"},
]
