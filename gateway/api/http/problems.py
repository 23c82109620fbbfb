"""Every error as application/problem+json (RFC 9457), naming what was wrong."""

import re
from http import HTTPStatus

from fastapi import FastAPI, HTTPException, Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect

_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\ud7ff\ue000-\uffff]")


def problem(status: int, detail: str, **more: object) -> JSONResponse:
    """One problem document."""
    detail = _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", detail)[:1_000]
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}
    return JSONResponse(body, status, media_type="application/problem+json")


async def only_known_parameters(request: Request) -> None:
    """A query parameter nobody reads, or given twice, is a typing error, not a wish: 400.

    Async, so that no thread has to be waited for.
    """
    route = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return
    known = _known(route.dependant)
    given = [name for name, _ in request.query_params.multi_items()]
    for name in given:
        if name not in known:
            listed = ", ".join(sorted(known)) or "none"
            raise HTTPException(400, f"unknown query parameter {name[:80]!r}; there are: {listed}")
        if given.count(name) > 1:
            raise HTTPException(400, f"{name}: given {given.count(name)} times; once is enough")
    for name, value in (*request.query_params.items(), *request.path_params.items()):
        if "\0" in str(value):
            raise HTTPException(400, f"{name}: holds a NUL character")


def _known(dependant: Dependant) -> set[str]:
    """Every query parameter of a route and of what it depends on."""
    names = {field.alias for field in dependant.query_params}
    return names.union(*map(_known, dependant.dependencies))


def install(app: FastAPI) -> None:
    """Make the application answer in problem documents."""

    @app.exception_handler(StarletteHTTPException)
    async def _(request: Request, error: StarletteHTTPException) -> JSONResponse:
        headers = error.headers or {}
        detail = str(error.detail)
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            detail = (
                f"method {request.method[:20]!r} is not for this address; it knows {headers.get('Allow', 'others')}"
            )
        answer = problem(error.status_code, detail)
        answer.headers.update(headers)
        return answer

    @app.exception_handler(RequestValidationError)
    async def _(_request: Request, error: RequestValidationError) -> JSONResponse:
        wrong = [{"name": ".".join(map(str, e["loc"][1:])), "reason": e["msg"]} for e in error.errors()]
        detail = "; ".join(f"{one['name']}: {one['reason']}" for one in wrong)
        return problem(400, detail, invalidParams=wrong)

    @app.exception_handler(ClientDisconnect)
    async def _(_request: Request, _error: ClientDisconnect) -> JSONResponse:
        # nobody is there to read it; without it each who hangs up while sending would fill the log with a traceback
        return problem(400, "the request ended before it was complete")
