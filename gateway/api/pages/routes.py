"""All pages under each prefix: without a language, `/nl` and `/en`."""

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from gateway.api.http.flat_routes import add_routes
from gateway.api.http.headers import API_PREFIXES
from gateway.api.operator import enrolment, fits, guest_enrolment, registration, work
from gateway.api.operator import pages as operator
from gateway.api.pages import (
    about,
    crawlers,
    developers,
    events,
    guide,
    home,
    inspector,
    inspector_direction,
    inspector_duty,
    inspector_inbox,
    inspector_plume,
    inspector_silence,
    inspector_wind,
    plumes,
    reports,
    statements,
    station,
    tracks,
    verify,
)
from gateway.api.pages.renderer import PREFIXES, ViewDependency, respond_missing

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
for _prefix in PREFIXES:
    for _page_module in (
        home,
        station,
        events,
        plumes,
        about,
        guide,
        developers,
        inspector,
        inspector_direction,
        inspector_duty,
        inspector_inbox,
        inspector_plume,
        inspector_silence,
        inspector_wind,
        operator,
        reports,
        statements,
        tracks,
        verify,
    ):
        add_routes(router, _page_module.router, _prefix)
    for _operator_module in (enrolment, work, fits, registration, guest_enrolment):
        add_routes(router, _operator_module.page_router, _prefix)
add_routes(router, about.root_router)
add_routes(router, crawlers.root_router)
add_routes(router, verify.root_router)


@router.get("/nl")
@router.get("/en")
async def show_language(request: Request) -> RedirectResponse:
    """The map in a language, written without the slash at the end."""
    return RedirectResponse(f"{request.url.path}/", status_code=308)


@router.get("/{path:path}")
async def show_not_found(view: ViewDependency, path: str) -> HTMLResponse:
    """Any other address: a 404 page for people, a problem document for programs."""
    if f"/{path}".startswith((*API_PREFIXES, "/static/")):
        raise HTTPException(404, f"there is nothing at /{path[:200]}")
    return respond_missing(view)
