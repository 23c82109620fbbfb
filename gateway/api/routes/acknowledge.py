"""The page behind the link in an alert's mail: GET shows it and changes nothing, POST acknowledges."""

import psycopg
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from alerting.record.acknowledgement_store import Answers, Page

_LONGEST = 8_192  # bytes of a form


def router(dsn: str) -> APIRouter:
    """The two routes, which write answers to the database at `dsn`."""
    routes, answers = APIRouter(include_in_schema=False), Answers(dsn)

    @routes.get("/acknowledge/{token}")
    async def ask(token: str) -> Response:
        try:
            return _html(await answers.ask(token))
        except psycopg.Error:
            raise _away() from None

    @routes.post("/acknowledge/{token}")
    async def acknowledge(token: str, request: Request) -> Response:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > _LONGEST:
                raise HTTPException(413, "the answer is too long")
        try:
            page = await answers.record(token, body)
        except psycopg.Error:
            raise _away() from None
        # a reload of what follows posts nothing again
        return RedirectResponse(f"/acknowledge/{token}", 303) if page is None else _html(page)

    return routes


def _html(page: Page) -> HTMLResponse:
    return HTMLResponse(page.html, page.status, headers={"X-Robots-Tag": "noindex"})


def _away() -> HTTPException:
    return HTTPException(503, "the database does not answer; try again", {"Retry-After": "5"})
