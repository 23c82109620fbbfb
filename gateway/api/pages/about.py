"""`/about` and `/status`, and the parts of the installable app: manifest, service worker and offline page."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response

from gateway.api.data.database import Database, QueryValues
from gateway.api.http.cache import TtlCache
from gateway.api.pages.guide import read_guide
from gateway.api.pages.renderer import View, ViewDependency, find_newest, respond_html
from gateway.api.routes.detection import build_detection_figures, fetch_selftest_summary
from gateway.api.schemas.detection import DetectionFigures
from gateway.store.upkeep.status import WorkStatus, sort_status

T = TypeVar("T")

router = APIRouter()
_STATIC = Path(__file__).parents[1] / "static"
_CACHE_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class CompletenessRow:
    """Of one station in the last day: hours with a valid value, valid readings, readings, and how many it should have.

    `expected_count` is None if the interval of the readings is unknown.
    """

    station: str
    hours: int
    valid_count: int
    count: int
    expected_count: int | None


@dataclass(frozen=True, kw_only=True)
class AlertLatencyRow:
    """Seconds from the commit of an event to the delivery of its first notification."""

    count: int
    median: float | None
    percentile_99: float | None


@dataclass(frozen=True, kw_only=True)
class NoticeDelayRow:
    """Seconds from the commit of an event to the notices of subscribers; notices that wait, and for how long."""

    count: int
    median: float | None
    percentile_99: float | None
    waiting: int
    waiting_seconds: float


@dataclass(frozen=True, kw_only=True)
class DetectionRow:
    """Peaks, those voided later, and the median time from onset to detection in seconds."""

    count: int
    voided: int
    median_delay: float | None


@router.get("/about")
async def about(view: ViewDependency) -> HTMLResponse:
    """Method, sensors, uncertainty, reuse, makers and privacy."""
    return respond_html(view, view.render(f"about.{view.language}.html", guide=read_guide(view.language)))


@router.get("/status")
async def status(view: ViewDependency) -> HTMLResponse:
    """How recent and complete the data are, how fast alerts are delivered and how well peaks are detected."""
    last_day, last_month = view.now - timedelta(days=1), view.now - timedelta(days=30)
    completeness = await _fetch_cached(
        view, CompletenessRow, "summarise_completeness", {"start": last_day, "end": view.now}
    )
    latency = await _fetch_cached(view, AlertLatencyRow, "summarise_alert_latency", {"start": last_month})
    detection = await _fetch_cached(view, DetectionRow, "summarise_detection", {"start": last_month})
    completeness_by_station = {row.station: row for row in completeness or []}
    rows = []
    for station in sorted(view.latest_values.registry.stations.values(), key=lambda row: row.name):
        windows = view.latest_values.windows.get(station.id, {})
        rows.append(
            {
                "id": station.id,
                "name": station.name,
                "newest": find_newest([window.minute for window in windows.values()]),
                "flags": sorted({flag for window in windows.values() for flag in window.minute.all_flags}),
                "completeness": completeness_by_station.get(station.id),
            }
        )
    return respond_html(
        view,
        view.render(
            "status.html",
            rows=rows,
            latency=latency[0] if latency else AlertLatencyRow(count=0, median=None, percentile_99=None),
            detection=detection[0] if detection else DetectionRow(count=0, voided=0, median_delay=None),
            has_completeness=completeness is not None,
            notices=await _fetch_notice_delay(view, last_month),
            figures=await _fetch_detection_figures(view),
            upkeep=await _fetch_upkeep(view),
        ),
    )


async def _fetch_notice_delay(view: View, start: datetime) -> NoticeDelayRow | None:
    """None if nobody can subscribe here, or the database does not answer in time."""
    if not view.offers_notices:
        return None
    rows = await _fetch_cached(view, NoticeDelayRow, "summarise_notice_delay", {"start": start})
    return rows[0] if rows else None


async def _fetch_detection_figures(view: View) -> DetectionFigures | None:
    """Read at most once a minute; None if the database does not answer in time."""
    database: Database = view.request.app.state.database
    status_cache: TtlCache = view.request.app.state.status_cache

    async def fetch() -> DetectionFigures:
        return build_detection_figures(await fetch_selftest_summary(database), view.settings.operator)

    try:
        return await status_cache.get("detection_figures", _CACHE_SECONDS, fetch)
    except HTTPException:
        return None


async def _fetch_upkeep(view: View) -> list[WorkStatus] | None:
    """Works of the database's upkeep, at most a minute old; None if the database does not answer in time."""
    statuses = await _fetch_cached(view, WorkStatus, "select_upkeep", {})
    return None if statuses is None else sort_status(statuses)


async def _fetch_cached(view: View, make_row: Callable[..., T], query: str, values: QueryValues) -> list[T] | None:
    """Rows that are read at most once a minute; None if the database does not answer in time."""
    database: Database = view.request.app.state.database
    status_cache: TtlCache = view.request.app.state.status_cache
    try:
        return await status_cache.get(query, _CACHE_SECONDS, lambda: database.fetch(make_row, query, values))
    except HTTPException:
        return None


@router.get("/offline")
async def offline(view: ViewDependency) -> HTMLResponse:
    """The page that the app shows without a network."""
    return respond_html(view, view.render("offline.html"))


@router.get("/manifest.webmanifest")
async def manifest(view: ViewDependency) -> Response:
    """The web app manifest, for a phone's home screen."""
    document = {
        "name": f"Piekwacht – {view.texts['title']}",
        "short_name": "Piekwacht",
        "lang": view.language,
        "start_url": f"{view.prefix}/",
        "scope": "/",
        "display": "standalone",
        "background_color": "#f6f7f4",
        "theme_color": "#1d4d3a",
        "icons": [{"src": "/static/icon.svg", "sizes": "any", "type": "image/svg+xml", "purpose": "any"}],
    }
    headers = {"Cache-Control": "public, max-age=3600", "Vary": "Accept-Language"}
    return JSONResponse(document, media_type="application/manifest+json", headers=headers)


root_router = APIRouter()


@root_router.get("/sw.js")
async def service_worker() -> Response:
    """The service worker. It is at the root because a worker only controls pages below its own address."""
    return FileResponse(_STATIC / "sw.js", media_type="text/javascript", headers={"Cache-Control": "no-cache"})
