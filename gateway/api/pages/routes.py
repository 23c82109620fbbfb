"""Every page under each of its addresses: without a language, `/nl` and `/en`."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException
from fastapi.responses import HTMLResponse

from gateway.api.pages import about, events, home, inspector, station
from gateway.api.pages.renderer import PREFIXES, View, look, missing

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
for _prefix in PREFIXES:
    for _part in (home, station, events, about, inspector):
        router.include_router(_part.router, prefix=_prefix)
router.include_router(about.only_once)


@router.get("/{rest:path}")
async def nothing(view: Annotated[View, Depends(look)], rest: str) -> HTMLResponse:
    """Any other address: a page that says so, for people; a problem for programs."""
    if rest.startswith(("api/", "feeds/", "static/")):
        raise HTTPException(404, f"there is nothing at /{rest[:200]}")
    return missing(view)
