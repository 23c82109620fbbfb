"""Error responses as application/problem+json (RFC 9457), with the cause in `detail`."""

import re
from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, HTTPException, Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect

_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\ud7ff\ue000-\uffff]")


def build_problem(status: int, detail: str, **extra: object) -> JSONResponse:
    """One problem document."""
    detail = _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", detail)[:1_000]
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **extra}
    return JSONResponse(body, status, media_type="application/problem+json")


# async, because FastAPI runs a synchronous dependency in a thread
async def reject_unknown_parameters(request: Request) -> None:
    """Dependency of routes: an unknown or repeated query parameter is probably a typing error and gets 400."""
    route = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return
    allowed = _query_parameters(route.dependant)
    requested = [name for name, _ in request.query_params.multi_items()]
    for name in requested:
        if name not in allowed:
            allowed_text = ", ".join(sorted(allowed)) or "none"
            raise HTTPException(400, f"unknown query parameter {name[:80]!r}; there are: {allowed_text}")
        if requested.count(name) > 1:
            raise HTTPException(400, f"{name}: given {requested.count(name)} times; once is enough")
    _reject_nul_characters(request)


def _reject_nul_characters(request: Request) -> None:
    for name, value in (*request.query_params.items(), *request.path_params.items()):
        if "\0" in str(value):
            raise HTTPException(400, f"{name}: holds a NUL character")


def _query_parameters(dependant: Dependant) -> set[str]:
    """Every query parameter of a route and its dependencies."""
    names = {field.alias for field in dependant.query_params}
    return names.union(*map(_query_parameters, dependant.dependencies))


def install(app: FastAPI, headers: Mapping[str, str]) -> None:
    """Install the error handlers. `headers`: those of every page, which no middleware adds to our own faults."""

    @app.exception_handler(StarletteHTTPException)
    async def _(request: Request, error: StarletteHTTPException) -> JSONResponse:
        error_headers = error.headers or {}
        detail = str(error.detail)
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            allowed = error_headers.get("Allow", "others")
            detail = f"method {request.method[:20]!r} is not for this address; it allows {allowed}"
        response = build_problem(error.status_code, detail)
        response.headers.update(error_headers)
        return response

    @app.exception_handler(RequestValidationError)
    async def _(_request: Request, error: RequestValidationError) -> JSONResponse:
        invalid = [{"name": ".".join(map(str, e["loc"][1:])), "reason": e["msg"]} for e in error.errors()]
        detail = "; ".join(f"{parameter['name']}: {parameter['reason']}" for parameter in invalid)
        return build_problem(400, detail, invalidParams=invalid)

    @app.exception_handler(Exception)
    async def _(_request: Request, _error: Exception) -> JSONResponse:
        # Starlette raises the error again after this answer, so that it is logged
        problem = build_problem(500, "the server made a mistake; its operator can see which")
        problem.headers.update({**headers, "Cache-Control": "no-store"})
        return problem

    @app.exception_handler(ClientDisconnect)
    async def _(_request: Request, _error: ClientDisconnect) -> JSONResponse:
        # the client is gone; without this handler every aborted upload would log a traceback
        return build_problem(400, "the request ended before it was complete")
