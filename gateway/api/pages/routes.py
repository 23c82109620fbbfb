"""Every page under each of its addresses: without a language, `/nl` and `/en`."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from gateway.api.pages import about, events, now, station
from gateway.api.pages.view import PREFIXES

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
for _prefix in PREFIXES:
    for _part in (now, station, events, about):
        router.include_router(_part.router, prefix=_prefix)
router.include_router(about.only_once)
