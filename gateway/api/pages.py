"""The pages: made on the server, readable without JavaScript; one module makes them live."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from msgspec import to_builtins

from gateway.api import events
from gateway.api.places import board_of, station
from gateway.api.representations import Open
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
    settings: ApiSettings = request.app.state.settings
    board = await board_of(request)
    places = board.places
    features = [_bare(station(board, id_, settings.operator)) for id_ in places.stations]
    peaks = [_bare(event) for event in await events.found(request, 30)]
    names = {row[0]: row[2 if language == "nl" else 3] for row in places.properties.values()}
    measured = {name for feature in features for name in feature["properties"]["newest"]}
    shown = [name for name in _SHOWN if name in measured] or ["pm2_5"]
    boot = {
        "language": language,
        "words": dict(WORDS[language]),
        "units": dict(UNITS),
        "stations": features,
        "events": peaks,
        "outlines": [row[3] for row in places.areas.values()],
        "sites": [{"name": row[2], "latitude": row[4], "longitude": row[5]} for row in places.sites.values()],
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
    )


def _bare(document: Open) -> dict[str, Any]:
    """As the API shows it, but the licence, which stands on the page itself."""
    found: dict[str, Any] = to_builtins(document)
    return {name: value for name, value in found.items() if name not in {"licence", "attribution"}}


async def _event(request: Request, id_: str, language: Language) -> HTMLResponse:
    found = to_builtins(await events.found(request, 1, id=id_))
    if not found:
        return _render("missing.html", language, status=404)
    board = await board_of(request)
    names = {row[0]: row[2 if language == "nl" else 3] for row in board.places.properties.values()}
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
