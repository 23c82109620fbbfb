"""The OpenAPI document, generated from the types in `schemas`, with an example for every response."""

from collections.abc import Container, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from msgspec import json as msgjson

from gateway.api.http.headers import VERSION
from gateway.api.schemas import detection, guest_enrolment, inspector, operator, registration, statements, tracks
from gateway.api.schemas.alerts import Alert, Alerts
from gateway.api.schemas.assessment import StationAssessment
from gateway.api.schemas.context import StationContext
from gateway.api.schemas.corrections import Correction, Corrections
from gateway.api.schemas.direction import SourceDirection
from gateway.api.schemas.events import Event, Events, Revisions
from gateway.api.schemas.guests import GuestReceipt
from gateway.api.schemas.observations import LiveValue, Mean, Observations, Reading
from gateway.api.schemas.places import (
    Area,
    Areas,
    Datastream,
    Datastreams,
    ObservedProperties,
    ObservedProperty,
    Site,
    Sites,
    Station,
    Stations,
)
from gateway.api.schemas.playback import Playback, PlaybackPeak
from gateway.api.schemas.plumes import Plume, Plumes
from gateway.api.schemas.preliminary import PreliminaryPeak
from gateway.api.schemas.service import Landing, Problem
from gateway.api.schemas.situations import Situation, Situations

_REF = "#/components/schemas/{name}"
_PROBLEM_MEDIA_TYPE = "application/problem+json"
_PROBLEMS = {
    400: "A parameter is not valid; `detail` names it",
    404: "There is no such item or address",
    405: "This address allows other methods",
    406: "None of the formats in Accept is available",
    414: "The address is too long",
    500: "The server could not compute the answer: its own mistake, never the client's",
    503: "The database does not answer, or there are too many viewers",
}
_PRIVATE_PROBLEMS = {
    401: "Sign in, or send a key",
    403: "Your role or your areas do not include this",
    413: "The body is too long",
    415: "The body is not JSON",
    429: "Too many requests; Retry-After says when to try again",
}
_SCHEMA_TYPES = (
    *inspector.SCHEMA_TYPES, *operator.SCHEMA_TYPES, *registration.SCHEMA_TYPES, *guest_enrolment.SCHEMA_TYPES,
    SourceDirection,
    Areas, Area, Sites, Site, Stations, Station, ObservedProperties, ObservedProperty, Datastreams,
    Datastream, Reading, Mean, Observations, Events, Event, Revisions, Plumes, Plume, Alerts, Alert,
    Landing, Correction, Corrections, Problem, detection.DetectionFigures, detection.DetectionFigure,
    detection.SyntheticPeaks, Playback, PlaybackPeak, Situations, Situation, GuestReceipt, LiveValue, PreliminaryPeak,
    StationAssessment, StationContext, *statements.SCHEMA_TYPES, *tracks.SCHEMA_TYPES,
)  # fmt: skip


def describe_responses(
    schema_type: type, *media_types: str, status: int = 200, private: bool = False
) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route with this type; `private`: also the errors of routes that need a sign-in."""
    reference = {"schema": {"$ref": _REF.format(name=schema_type.__name__)}}
    content: dict[str, Any] = {}
    for media in media_types or ("application/json",):
        is_json = media.endswith("json")
        content[media] = reference if is_json else {"schema": {"type": "string", "format": "binary"}}
    responses: dict[int | str, dict[str, Any]] = {
        status: {"description": schema_type.__doc__ or "", "content": content}
    }
    if status == 204:
        responses[status] = {"description": "Done"}
    for code, text in {**_PROBLEMS, **(_PRIVATE_PROBLEMS if private else {})}.items():
        responses[code] = {
            "description": text,
            "content": {
                _PROBLEM_MEDIA_TYPE: {
                    "schema": {"$ref": _REF.format(name="Problem")},
                    "example": _problem_example(code, text),
                }
            },
        }
    return responses


def describe_stream(
    description: str, frames: Mapping[str, type], lists: Container[str]
) -> dict[int | str, dict[str, Any]]:
    """The `responses` of server-sent events. `frames`: type of the data by event; in `lists`, of an item."""
    references = {name: {"$ref": _REF.format(name=schema_type.__name__)} for name, schema_type in frames.items()}
    responses = describe_responses(Problem, "text/event-stream")
    stream = {
        "schema": {"type": "string"},
        "x-frames": {
            name: {"type": "array", "items": reference} if name in lists else reference
            for name, reference in references.items()
        },
    }
    responses[200] = {"description": description, "content": {"text/event-stream": stream}}
    return responses


def describe_file(description: str, media_type: str, example: object) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that returns a file of this type: text, or an object if `example` is one."""
    responses = describe_responses(Problem, "application/octet-stream")
    schema = {"type": "string" if isinstance(example, str) else "object"}
    responses[200] = {"description": description, "content": {media_type: {"schema": schema, "example": example}}}
    return responses


def describe_body(schema_type: type) -> dict[str, Any]:
    """The `openapi_extra` of a route that reads a body of this type."""
    schema = {"schema": {"$ref": _REF.format(name=schema_type.__name__)}}
    return {"requestBody": {"required": True, "content": {"application/json": schema}}}


def _problem_example(status: int, text: str) -> dict[str, object]:
    return {"type": "about:blank", "title": text.split(";", maxsplit=1)[0], "status": status, "detail": text}


def install(app: FastAPI) -> None:
    """Make the application generate its document once."""

    def build_document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _build_document(app)
        return app.openapi_schema

    app.openapi = build_document  # type: ignore[method-assign]


def _build_document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        servers=app.servers,
        contact=app.contact,
        license_info=app.license_info,
        tags=_TAGS,
    )
    _, components = msgjson.schema_components(_SCHEMA_TYPES, ref_template=_REF)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas.update(components)
    document["components"]["securitySchemes"] = _SCHEMES
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
            for response in operation["responses"].values():
                response.setdefault("headers", {})["API-Version"] = {
                    "description": "Version of this API",
                    "schema": {"type": "string", "example": VERSION},
                }
            _add_examples(operation, components)
    return document


def _add_examples(operation: dict[str, Any], components: dict[str, Any]) -> None:
    content = operation["responses"].get("200", {}).get("content", {})
    if content.get("application/json", {}).get("schema") == {}:
        del content["application/json"]  # FastAPI's default
    medias = [operation["responses"].get(status, {}).get("content", {}) for status in ("200", "201", "202")]
    for media in (
        media_object
        for content_by_type in [*medias, operation.get("requestBody", {}).get("content", {})]
        for media_object in content_by_type.values()
    ):
        reference = media.get("schema", {}).get("$ref")
        if reference:
            media["example"] = _build_example({"$ref": reference}, components)


def _build_example(schema: dict[str, Any], components: dict[str, Any]) -> Any:  # noqa: ANN401, PLR0911 - JSON
    """A value that fits the schema: its example if it has one."""
    if "$ref" in schema:
        return _build_example(components[schema["$ref"].rsplit("/", 1)[1]], components)
    if examples := schema.get("examples") or schema.get("enum"):
        return examples[0]
    if "default" in schema and schema["default"] is not None:
        return schema["default"]
    if "anyOf" in schema:
        return _build_example(schema["anyOf"][0], components)
    kind = schema.get("type")
    if kind == "object":
        return {name: _build_example(part, components) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [_build_example(schema["items"], components)] if schema.get("items") else []
    return {"string": "Wijk aan Zee", "integer": 1, "number": 8.1, "boolean": False}.get(str(kind))


_TAGS = [
    {"name": "places", "description": "Areas, sites, stations, datastreams and what can be measured"},
    {"name": "observations", "description": "What was measured: raw and as means over a minute, an hour, a day"},
    {"name": "tracks", "description": "Where cars, bicycles, boats and drones measured"},
    {"name": "events", "description": "Short peaks, with background, confidence and every correction"},
    {"name": "alerts", "description": "Which inspectorate was notified, and when"},
    {
        "name": "inspector",
        "description": "For inspectors: silences, acknowledgements, why a receiver was notified or not",
    },
    {"name": "operator", "description": "For operators: nodes, quarantine, storage, checks, the audit log"},
    {"name": "guests", "description": "Where sensors of others send their messages, each in its maker's format"},
    {"name": "proofs", "description": "Files that prove a value or a batch without a network, by the public log"},
    {
        "name": "live",
        "description": "Server-sent events and WebSocket: new values and events as they are committed. The frame "
        "`preliminary` lists possible beginnings of peaks (PreliminaryPeak), which are no events",
    },
]
_SCHEMES = {
    "key": {"type": "http", "scheme": "bearer", "description": "An API key, made with `piekwacht access key`"},
    "session": {"type": "apiKey", "in": "cookie", "name": "__Host-piekwacht", "description": "Signed in at /account"},
}
