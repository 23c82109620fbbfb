"""`/acknowledge/{token}`: the page behind the link in an alert's mail.

GET shows the page and changes nothing, because mail scanners open links; POST acknowledges. HTTPException 503 if the
database is away.
"""

import psycopg
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from alerting.record.acknowledgement_store import AcknowledgementPage, AcknowledgementStore

_MAX_FORM_BYTES = 8_192


def router(dsn: str) -> APIRouter:
    """The two routes; they write acknowledgements to the database at `dsn`."""
    api_router, store = APIRouter(include_in_schema=False), AcknowledgementStore(dsn)

    @api_router.get("/acknowledge/{token}")
    async def show_question(token: str) -> Response:
        try:
            return _html_response(await store.render_page(token))
        except psycopg.Error:
            raise _unavailable() from None

    @api_router.post("/acknowledge/{token}")
    async def acknowledge(token: str, request: Request) -> Response:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > _MAX_FORM_BYTES:
                raise HTTPException(413, "the answer is too long")
        try:
            page = await store.record(token, body)
        except psycopg.Error:
            raise _unavailable() from None
        # a redirect, so that a reload of the next page does not post again
        return RedirectResponse(f"/acknowledge/{token}", 303) if page is None else _html_response(page)

    return api_router


def _html_response(page: AcknowledgementPage) -> HTMLResponse:
    return HTMLResponse(page.html, page.status, headers={"X-Robots-Tag": "noindex"})


def _unavailable() -> HTTPException:
    return HTTPException(503, "the database does not answer; try again", {"Retry-After": "5"})
