"""`/developers`: the forms that other systems read, and every address of the API with a call to copy.

The page is made from the OpenAPI document, so that both agree. The descriptions of the addresses are English.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from gateway.api.pages.open_faces import fetch_examples, list_calls
from gateway.api.pages.renderer import View, ViewDependency, respond_html

router = APIRouter()
_METHODS = ("get", "post", "put", "delete")
_MAX_EXAMPLE_LINES = 40
_PRIVATE_TAGS = {"inspector", "operator"}
_UNLINKED_TAGS = {"live", "proofs"}  # a stream has no end, and a proof is of a value that the reader names


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A parameter as the page shows it. `kind`: type and limits as text; `place`: path or query."""

    name: str
    place: str
    kind: str
    is_required: bool
    text: str


@dataclass(frozen=True, kw_only=True)
class Call:
    """One address with one method. `command` can be copied; `link`: the address, if a browser can show the answer."""

    method: str
    path: str
    title: str
    text: str
    parameters: list[Parameter]
    media_types: list[str]
    example: str
    command: str
    link: str | None


@dataclass(frozen=True, kw_only=True)
class CallGroup:
    """Calls of one subject, a tag of the document."""

    name: str
    text: str
    calls: list[Call]


@router.get("/developers")
async def show_calls(request: Request, view: ViewDependency) -> HTMLResponse:
    """The open faces with their answers, then all calls, by subject."""
    root = view.settings.public_url.rstrip("/")
    groups = list(build_groups(request.app.openapi(), root, _choose_ids(view)))
    faces = await fetch_examples(request, request.app.state.status_cache, list_calls(view.registry), root)
    return respond_html(view, view.render("developers.html", groups=groups, faces=faces))


def _choose_ids(view: View) -> dict[str, str]:
    """Return ids that exist here, for the calls of the page: first part of the path -> id."""
    registry = view.latest_values.registry
    tables: dict[str, Mapping[Any, object]] = {
        "areas": registry.areas,
        "sites": registry.sites,
        "stations": registry.stations,
        "datastreams": registry.datastreams,
    }
    return {name: str(next(iter(table))) for name, table in tables.items() if table}


def build_groups(document: Mapping[str, Any], root: str, ids: Mapping[str, str]) -> Iterator[CallGroup]:
    """Yield the groups of the OpenAPI document, in the order of its tags. Pure."""
    calls: dict[str, list[Call]] = {}
    for path, operations in document["paths"].items():
        for method in _METHODS:
            if method in operations:
                operation = operations[method]
                tag = (operation.get("tags") or ["other"])[0]
                calls.setdefault(tag, []).append(_build_call(method, path, operation, root, ids))
    texts = {tag["name"]: tag["description"] for tag in document.get("tags", ())}
    for name in [*texts, *(tag for tag in calls if tag not in texts)]:
        if name in calls:
            yield CallGroup(name=name, text=texts.get(name, ""), calls=calls[name])


def _build_call(method: str, path: str, operation: Mapping[str, Any], root: str, ids: Mapping[str, str]) -> Call:
    parameters = [_build_parameter(parameter) for parameter in operation.get("parameters", ())]
    answers = operation["responses"].get("200", {}).get("content", {})
    url = f"{root}{_fill_path(path, ids)}"
    query = {
        parameter["name"]: parameter["schema"].get("default") or parameter["example"]
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "query" and parameter.get("required") and "example" in parameter
    }
    url += f"?{urlencode(query)}" if query else ""
    is_public = method == "get" and not _PRIVATE_TAGS & set(operation.get("tags", ()))
    return Call(
        method=method.upper(),
        path=path,
        title=operation.get("summary", ""),
        text=operation.get("description", ""),
        parameters=parameters,
        media_types=list(answers),
        example=_format_example(answers),
        command=_build_command(method, url, operation, is_public=is_public),
        link=url if is_public and "{" not in url and not _UNLINKED_TAGS & set(operation.get("tags", ())) else None,
    )


def _fill_path(path: str, ids: Mapping[str, str]) -> str:
    """Put an id that exists into the address; a name in braces stays where there is none."""
    collection = path.removeprefix("/api/v1/").partition("/")[0]
    return path.replace("{id}", quote(ids[collection], safe="")) if collection in ids else path


def _build_command(method: str, url: str, operation: Mapping[str, Any], *, is_public: bool) -> str:
    parts = ["curl"]
    if method != "get":
        parts += ["-X", method.upper()]
    if not is_public:
        parts.append("-H 'Authorization: Bearer KEY'")
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
    if body is not None:
        text = json.dumps(body, ensure_ascii=False).replace("'", "'\\''")
        parts += ["-H 'Content-Type: application/json'", f"-d '{text}'"]
    return " ".join([*parts, f"'{url}'"])


def _build_parameter(parameter: Mapping[str, Any]) -> Parameter:
    return Parameter(
        name=parameter["name"],
        place=parameter["in"],
        kind=_describe_schema(parameter.get("schema", {})),
        is_required=bool(parameter.get("required")),
        text=parameter.get("description", ""),
    )


def _describe_schema(schema: Mapping[str, Any]) -> str:
    """Return the type of a parameter as text: `integer, 1 to 20000, default 100`."""
    options = [option for option in schema.get("anyOf", [schema]) if option.get("type") != "null"]
    option = options[0] if options else {}
    if "enum" in option:
        kind = ", ".join(str(value) for value in option["enum"])
    else:
        kind = str(option.get("format") or option.get("type", "text")).replace("string", "text")
    if "minimum" in option and "maximum" in option:
        kind += f", {option['minimum']} to {option['maximum']}"
    default = schema.get("default")
    return kind if default is None else f"{kind}, default {default}"


def _format_example(answers: Mapping[str, Any]) -> str:
    """Return the first example of an answer, cut to what a page can show."""
    for content in answers.values():
        if "example" in content:
            example = content["example"]
            text = example if isinstance(example, str) else json.dumps(example, indent=1, ensure_ascii=False)
            lines = text.splitlines()
            return "\n".join([*lines[:_MAX_EXAMPLE_LINES], *(["..."] if len(lines) > _MAX_EXAMPLE_LINES else [])])
    return ""
