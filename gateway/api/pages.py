"""The pages: made on the server, readable without JavaScript; one module makes them live."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from gateway.api import events, stations
from gateway.api.reading import Reader
from gateway.api.settings import ApiSettings
from gateway.api.words import UNITS, WORDS

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

Language = Literal["nl", "en"]
_LOCAL = ZoneInfo("Europe/Amsterdam")
_SHOWN = ("pm2_5", "pm10", "pm1", "voc_raw", "voc_ppb", "ch4")
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@router.get("/")
async def dutch_map(request: Request) -> HTMLResponse:
    """The live map in Dutch."""
    return await _map(request, "nl")


@router.get("/en/")
async def english_map(request: Request) -> HTMLResponse:
    """The live map in English."""
    return await _map(request, "en")


@router.get("/events/{id}")
async def dutch_event(request: Request, id: str) -> HTMLResponse:  # noqa: A002 - the path's word
    """One event in Dutch."""
    return await _event(request, id, "nl")


@router.get("/en/events/{id}")
async def english_event(request: Request, id: str) -> HTMLResponse:  # noqa: A002 - the path's word
    """One event in English."""
    return await _event(request, id, "en")


async def _map(request: Request, language: Language) -> HTMLResponse:
    reader: Reader = request.app.state.reader
    settings: ApiSettings = request.app.state.settings
    features = await stations.features(reader)
    peaks = await events.found(reader, 30)
    names = {row[0]: row[2 if language == "nl" else 3] for row in await reader.rows("properties")}
    measured = {name for feature in features for name in feature["properties"]["newest"]}
    shown = [name for name in _SHOWN if name in measured] or ["pm2_5"]
    boot = {
        "language": language,
        "words": dict(WORDS[language]),
        "units": dict(UNITS),
        "stations": features,
        "events": peaks,
        "outlines": [row[3] for row in await reader.rows("areas")],
        "sites": [{"name": row[2], "latitude": row[4], "longitude": row[5]} for row in await reader.rows("sites")],
        "silentAfter": settings.silent_after,
        "replay": settings.replay,
        "names": names,
    }
    return _render(
        "map.html",
        language,
        boot=boot,
        features=features,
        peaks=peaks,
        shown=shown,
        names=names,
        replay=settings.replay,
        now=await _now(reader, settings),
        silent_after=settings.silent_after,
    )


async def _now(reader: Reader, settings: ApiSettings) -> datetime:
    """The moment ages count from: the clock, or in a replay the newest reading."""
    if settings.replay:
        rows = await reader.rows("newest_of_all")
        if rows and rows[0][0]:
            return datetime.fromisoformat(str(rows[0][0]))
    return datetime.now(UTC)


async def _event(request: Request, id_: str, language: Language) -> HTMLResponse:
    reader: Reader = request.app.state.reader
    found = await events.found(reader, 1, id=id_)
    if not found:
        return _render("missing.html", language, status=404)
    names = {row[0]: row[2 if language == "nl" else 3] for row in await reader.rows("properties")}
    return _render("event.html", language, event=found[0], names=names)


def _render(template: str, language: Language, *, status: int = 200, **values: object) -> HTMLResponse:
    home = "/" if language == "nl" else "/en/"
    page = _TEMPLATES.get_template(template).render(
        w=WORDS[language], language=language, home=home, units=UNITS, number=_number(language), clock=_clock, **values
    )
    return HTMLResponse(page, status)


def _number(language: Language) -> Any:  # noqa: ANN401 - a filter for templates
    def written(value: float | None) -> str:
        if value is None:
            return "–"
        text = f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 1 else f"{value:.2f}"
        return text.replace(".", ",") if language == "nl" else text

    return written


def _clock(text: str | None) -> Mapping[str, str]:
    """RFC 3339 -> local time for people, and the whole with its offset for the title."""
    if text is None:
        return {"short": "–", "long": ""}
    local = datetime.fromisoformat(text).astimezone(_LOCAL)
    return {"short": f"{local:%H:%M:%S}", "long": f"{local:%Y-%m-%d %H:%M:%S %z}"}
