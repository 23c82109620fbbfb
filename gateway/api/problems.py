"""Every error as application/problem+json (RFC 9457), naming what was wrong."""

from http import HTTPStatus

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException as StarletteHTTPException


def problem(status: int, detail: str, **more: object) -> JSONResponse:
    """One problem document."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}
    return JSONResponse(body, status, media_type="application/problem+json")


def only_known_parameters(request: Request) -> None:
    """A query parameter nobody reads is a typing error, not a wish: 400."""
    route = request.scope.get("route")
    if isinstance(route, APIRoute):
        known = {field.alias for field in route.dependant.query_params}
        for name in request.query_params:
            if name not in known:
                listed = ", ".join(sorted(known)) or "none"
                raise HTTPException(400, f"unknown query parameter {name[:80]!r}; there are: {listed}")


def install(app: FastAPI) -> None:
    """Make the application answer in problem documents."""

    @app.exception_handler(StarletteHTTPException)
    async def _(_request: Request, error: StarletteHTTPException) -> JSONResponse:
        answer = problem(error.status_code, str(error.detail))
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(RequestValidationError)
    async def _(_request: Request, error: RequestValidationError) -> JSONResponse:
        wrong = [{"name": ".".join(map(str, e["loc"][1:])), "reason": e["msg"]} for e in error.errors()]
        detail = "; ".join(f"{one['name']}: {one['reason']}" for one in wrong)
        return problem(400, detail, invalidParams=wrong)
