"""The pages of subscriptions under each prefix: without a language, `/nl` and `/en`."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from gateway.api.http.flat_routes import add_routes
from gateway.api.pages.renderer import PREFIXES
from gateway.api.subscriptions import form_page, manage_page

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
for _prefix in PREFIXES:
    add_routes(router, form_page.router, _prefix)
    add_routes(router, manage_page.router, _prefix)
