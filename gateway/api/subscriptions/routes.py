"""The pages of subscriptions under each prefix: without a language, `/nl` and `/en`."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from gateway.api.pages.renderer import PREFIXES
from gateway.api.subscriptions import form_page, manage_page

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
for _prefix in PREFIXES:
    router.include_router(form_page.router, prefix=_prefix)
    router.include_router(manage_page.router, prefix=_prefix)
