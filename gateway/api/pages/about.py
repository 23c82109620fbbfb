"""`/about` and `/status`; and what makes the pages an app: manifest, service worker, a page without net."""

import time
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response

from gateway.api.data.database import Database
from gateway.api.pages.renderer import View, get_view, respond_html
from gateway.api.schemas.detection import DetectionFigures, fetch_detection_figures

router = APIRouter()
ViewDependency = Annotated[View, Depends(get_view)]
_STATIC = Path(__file__).parents[1] / "static"
_CACHE_SECONDS = 60.0


@router.get("/about")
async def about(view: ViewDependency) -> HTMLResponse:
    """Method, sensors, uncertainty, use, makers, privacy."""
    return respond_html(view, view.render(f"about.{view.language}.html"))


@router.get("/status")
async def status(view: ViewDependency) -> HTMLResponse:
    """How fresh and how complete the data are, and how fast alerts were."""
    completeness = await _fetch_cached_rows(
        view, "summarise_completeness", {"start": view.now - timedelta(days=1), "end": view.now}
    )
    latency = await _fetch_cached_rows(view, "summarise_alert_latency", {"start": view.now - timedelta(days=30)})
    detection = await _fetch_cached_rows(view, "summarise_detection", {"start": view.now - timedelta(days=30)})
    completeness_by_station = {row[0]: row for row in completeness or []}
    rows = []
    for id_, (_, _, name, *_) in sorted(view.latest_values.registry.stations.items(), key=lambda item: str(item[1][2])):
        windows = view.latest_values.windows.get(id_, {})
        newest = max((window.minute.observed_at for window in windows.values()), default=None)
        flags = sorted({flag for window in windows.values() for flag in window.minute.flags})
        rows.append(
            {
                "id": id_,
                "name": name,
                "newest": newest,
                "flags": flags,
                "completeness": completeness_by_station.get(id_),
            }
        )
    alert_latency = latency[0] if latency else (0, None, None)
    detection_figures = await _fetch_detection_figures(view)
    detection_counts = detection[0] if detection else (0, 0, None)
    has_completeness = completeness is not None
    return respond_html(
        view,
        view.render(
            "status.html",
            rows=rows,
            latency=alert_latency,
            detection=detection_counts,
            has_completeness=has_completeness,
            figures=detection_figures,
        ),
    )


async def _fetch_detection_figures(view: View) -> DetectionFigures | None:
    """How well peaks are found, read once a minute at most; None where the database will not say in time."""
    status_cache: dict[str, tuple[float, DetectionFigures]] = view.request.app.state.status_cache
    entry = status_cache.get("detection_figures")
    if entry is None or time.monotonic() - entry[0] > _CACHE_SECONDS:
        try:
            detection_figures = await fetch_detection_figures(view.request.app.state.database, view.settings.operator)
        except HTTPException:
            return None
        entry = status_cache["detection_figures"] = time.monotonic(), detection_figures
    return entry[1]


async def _fetch_cached_rows(view: View, query: str, values: dict[str, Any]) -> list[Any] | None:
    """Rows that are read once a minute at most; None where the database will not say in time."""
    status_cache: dict[str, tuple[float, list[Any]]] = view.request.app.state.status_cache
    reader: Database = view.request.app.state.database
    entry = status_cache.get(query)
    if entry is None or time.monotonic() - entry[0] > _CACHE_SECONDS:
        try:
            entry = status_cache[query] = time.monotonic(), await reader.fetch_rows(query, values)
        except HTTPException:
            return None
    return entry[1]


@router.get("/offline")
async def offline(view: ViewDependency) -> HTMLResponse:
    """What the app shows where there is no network."""
    return respond_html(view, view.render("offline.html"))


@router.get("/manifest.webmanifest")
async def manifest(view: ViewDependency) -> Response:
    """The app, for a phone's home screen."""
    icon = {"src": "/static/icon.svg", "sizes": "any", "type": "image/svg+xml", "purpose": "any"}
    document = {
        "name": f"Piekwacht – {view.texts['title']}",
        "short_name": "Piekwacht",
        "lang": view.language,
        "start_url": f"{view.prefix}/",
        "scope": "/",
        "display": "standalone",
        "background_color": "#f6f7f4",
        "theme_color": "#1d4d3a",
        "icons": [icon],
    }
    return JSONResponse(
        document, media_type="application/manifest+json", headers={"Cache-Control": "public, max-age=3600"}
    )


root_router = APIRouter()


@root_router.get("/sw.js")
async def service_worker() -> Response:
    """At the root, because a worker only sees what lies below it."""
    return FileResponse(_STATIC / "sw.js", media_type="text/javascript", headers={"Cache-Control": "no-cache"})


@root_router.get("/robots.txt")
async def robots() -> Response:
    """Everybody may read the pages; files of data are asked for, not crawled."""
    return PlainTextResponse("User-agent: *\nDisallow: /api/\nDisallow: /widget/\n")
