"""Backgrounds of raw signals for the pages: with them a number such as 28,842 ticks is shown as a share."""

from datetime import datetime

from gateway.api.data.database import Database
from gateway.api.data.raw_backgrounds import RawBackgrounds, fetch_raw_backgrounds
from gateway.api.http.cache import TtlCache
from gateway.api.pages.renderer import View

_SECONDS = 60.0


async def fetch_backgrounds(view: View, at: datetime | None = None) -> RawBackgrounds:
    """Backgrounds now, read at most once a minute, or at a moment of the past. HTTPException 503: no database."""
    database: Database = view.request.app.state.database
    if at is not None:
        return await fetch_raw_backgrounds(database, view.registry, at)
    cache: TtlCache = view.request.app.state.status_cache
    return await cache.get(
        "raw_backgrounds", _SECONDS, lambda: fetch_raw_backgrounds(database, view.registry, view.now)
    )
