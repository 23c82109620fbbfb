"""`/about` and `/status`; and what makes the pages an app: manifest, service worker, a page without net."""

import time
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response

from gateway.api.data.database import Reader
from gateway.api.pages.renderer import View, html, look
from gateway.api.schemas.detection import DetectionFigures, figures

router = APIRouter()
Look = Annotated[View, Depends(look)]
_STATIC = Path(__file__).parents[1] / "static"
_SELDOM = 60.0


@router.get("/about")
async def about(view: Look) -> HTMLResponse:
    """Method, sensors, uncertainty, use, makers, privacy."""
    return html(view, view.render(f"about.{view.language}.html"))


@router.get("/status")
async def status(view: Look) -> HTMLResponse:
    """How fresh and how complete the data are, and how fast alerts were."""
    completeness = await _asked(view, "completeness", {"start": view.now - timedelta(days=1), "end": view.now})
    latency = await _asked(view, "alert_latency", {"start": view.now - timedelta(days=30)})
    detection = await _asked(view, "detection", {"start": view.now - timedelta(days=30)})
    whole = {row[0]: row for row in completeness or []}
    rows = []
    for id_, (_, _, name, *_) in sorted(view.board.places.stations.items(), key=lambda one: str(one[1][2])):
        windows = view.board.windows.get(id_, {})
        newest = max((window.minute.observed_at for window in windows.values()), default=None)
        flags = sorted({flag for window in windows.values() for flag in window.minute.flags})
        rows.append({"id": id_, "name": name, "newest": newest, "flags": flags, "whole": whole.get(id_)})
    told = latency[0] if latency else (0, None, None)
    tested = await _tested(view)
    found = detection[0] if detection else (0, 0, None)
    known = completeness is not None
    return html(view, view.render("status.html", rows=rows, told=told, found=found, known=known, tested=tested))


async def _tested(view: View) -> DetectionFigures | None:
    """How well peaks are found, read once a minute at most; None where the database will not say in time."""
    house: dict[str, tuple[float, DetectionFigures]] = view.request.app.state.seldom
    kept = house.get("tested")
    if kept is None or time.monotonic() - kept[0] > _SELDOM:
        try:
            found = await figures(view.request.app.state.reader, view.settings.operator)
        except HTTPException:
            return None
        kept = house["tested"] = time.monotonic(), found
    return kept[1]


async def _asked(view: View, query: str, values: dict[str, Any]) -> list[Any] | None:
    """Rows that are read once a minute at most; None where the database will not say in time."""
    house: dict[str, tuple[float, list[Any]]] = view.request.app.state.seldom
    reader: Reader = view.request.app.state.reader
    kept = house.get(query)
    if kept is None or time.monotonic() - kept[0] > _SELDOM:
        try:
            kept = house[query] = time.monotonic(), await reader.rows(query, values)
        except HTTPException:
            return None
    return kept[1]


@router.get("/offline")
async def offline(view: Look) -> HTMLResponse:
    """What the app shows where there is no network."""
    return html(view, view.render("offline.html"))


@router.get("/manifest.webmanifest")
async def manifest(view: Look) -> Response:
    """The app, for a phone's home screen."""
    icon = {"src": "/static/icon.svg", "sizes": "any", "type": "image/svg+xml", "purpose": "any"}
    found = {
        "name": f"Piekwacht – {view.words['title']}",
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
        found, media_type="application/manifest+json", headers={"Cache-Control": "public, max-age=3600"}
    )


only_once = APIRouter()


@only_once.get("/sw.js")
async def service_worker() -> Response:
    """At the root, because a worker only sees what lies below it."""
    return FileResponse(_STATIC / "sw.js", media_type="text/javascript", headers={"Cache-Control": "no-cache"})


@only_once.get("/robots.txt")
async def robots() -> Response:
    """Everybody may read the pages; files of data are asked for, not crawled."""
    return PlainTextResponse("User-agent: *\nDisallow: /api/\nDisallow: /widget/\n")
