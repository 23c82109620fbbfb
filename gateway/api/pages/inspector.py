"""`/inspector`: what goes on in my areas, who knows, and what I can do: say that I am on it, silence it, see why.

Forms and pages only: it works without JavaScript, on a telephone, at three in the morning.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from gateway.access.authorization import from_our_own_page
from gateway.access.identity import EVERY_AREA
from gateway.api.inspector import service
from gateway.api.pages.inspector_texts import WORDS
from gateway.api.pages.renderer import View, look

router = APIRouter()
Look = Annotated[View, Depends(look)]
HOURS = (1, 4, 8, 24, 72, 168)
_SIMPLE = re.compile(r'(\w+)="([^"]*)"')
_SHOWN = 100  # alerts in one list; a storm has more


@router.get("/inspector")
async def alerts(view: Look) -> Response:
    """What goes on, what is over, what is silenced."""

    async def make() -> Response:
        identity, found = service.reading(view.request), await service.cases(view.request)
        areas = view.board.places.areas
        names = [str(areas[one][1]) if one in areas else one for one in sorted(identity.areas)]
        return _page(
            view,
            "inspector.html",
            who=identity.name,
            areas=WORDS[view.language]["everywhere"] if EVERY_AREA in identity.areas else ", ".join(names),
            open=[one for one in found if one.goes_on][:_SHOWN],
            over=[one for one in found if not one.goes_on][:_SHOWN],
            silences=[(one, service.may_end(identity, one)) for one in await service.silences(view.request)],
        )

    return await _trying(view, make)


@router.get("/inspector/events/{id}")
async def one_alert(view: Look, id: str) -> Response:  # noqa: A002 - the path's word
    """All that happened to one alert, and what can be done."""

    async def make() -> Response:
        found = await service.case(view.request, id)
        return _page(view, "inspector_event.html", case=found, choices=list(_choices(found)), hours=HOURS)

    return await _trying(view, make)


@router.post("/inspector/events/{id}/acknowledge")
async def acknowledge(view: Look, id: str, note: Annotated[str, Form(max_length=1_000)] = "") -> Response:  # noqa: A002
    """I am on it."""

    async def make() -> Response:
        _ours(view)
        await service.acknowledge(view.request, id, note)
        return _then(view, f"inspector/events/{id}")

    return await _trying(view, make)


@router.get("/inspector/silence")
async def preview(  # noqa: PLR0917 - they are a form's fields
    view: Look,
    event: str,
    what: str,
    hours: Annotated[int, Query(ge=1, le=168)],
    reason: Annotated[str, Query(max_length=1_000)] = "",
    kind: str = "silence",
) -> Response:
    """What would be silenced; nothing is yet."""

    async def make() -> Response:
        wanted = await _wanted(view.request, event, what, hours, reason or "-", kind)
        items = await service.preview(view.request, wanted)
        asked = {"event": event, "what": what, "hours": hours, "reason": reason, "kind": kind}
        return _page(
            view, "inspector_silence.html", wanted=wanted, items=items, asked=asked, missing=not reason.strip()
        )

    return await _trying(view, make)


@router.post("/inspector/silences")
async def silence(  # noqa: PLR0917 - they are a form's fields
    view: Look,
    event: Annotated[str, Form(max_length=100)],
    what: Annotated[str, Form(max_length=20)],
    hours: Annotated[int, Form(ge=1, le=168)],
    reason: Annotated[str, Form(max_length=1_000)],
    kind: Annotated[str, Form(max_length=20)] = "silence",
) -> Response:
    """Silence it."""

    async def make() -> Response:
        _ours(view)
        await service.put(view.request, await _wanted(view.request, event, what, hours, reason, kind))
        return _then(view, "inspector#silences")

    return await _trying(view, make)


@router.post("/inspector/silences/{number}/end")
async def end(view: Look, number: int) -> Response:
    """End a silence now."""

    async def make() -> Response:
        _ours(view)
        await service.end(view.request, number)
        return _then(view, "inspector#silences")

    return await _trying(view, make)


def _choices(found: service.Case) -> dict[str, Sequence[str]]:
    """What can be silenced around one alert: the word for it, and its matchers beside the area."""
    alert = found.alert
    if alert.quiet:
        return {"network": [f'kind="{alert.kind}"']}
    station, observed = f'station="{alert.station}"', f'property="{alert.observed_property}"'
    return {"station": [station], "property": [station, observed], "area": [observed]}


async def _wanted(request: Request, event: str, what: str, hours: int, reason: str, kind: str) -> service.Wanted:  # noqa: PLR0917
    found = await service.case(request, event)
    chosen = _choices(found).get(what)
    if chosen is None:
        raise HTTPException(400, f"what: {what[:20]!r} is nothing that can be silenced here")
    until = datetime.now(UTC) + timedelta(hours=hours)
    return service.wanted(found.alert.area or None, chosen, reason, None, until, kind)


def _page(view: View, template: str, status: int = 200, **values: object) -> HTMLResponse:
    """Never kept by anybody on the way: it is one person's view."""
    content = view.render(
        template,
        i=WORDS[view.language],
        duty=service,
        sentence=lambda one: _sentence(view, one),
        plain=lambda match: _plain(view, match),
        **values,
    )
    headers = {"Cache-Control": "no-store", "Content-Language": view.language, "X-Robots-Tag": "noindex"}
    return HTMLResponse(content, status, headers)


def _sentence(view: View, one: service.Case) -> str:
    """What the detector says of it, where that is more than the headline."""
    return "" if one.alert.quiet else one.alert.sentence.get(view.language, "")


def _plain(view: View, match: Sequence[str]) -> str:
    """Matchers in words where they are simple, else as they are written."""
    return ", ".join(_SIMPLE.sub(lambda found: _named(view, found[1], found[2]), text) for text in match)


def _named(view: View, label: str, value: str) -> str:
    places, word = view.board.places, WORDS[view.language].get(f"label_{label}", label)
    if label == "area" and value in places.areas:
        value = str(places.areas[value][1])  # id, name, ...
    elif label == "station" and value in places.stations:
        value = str(places.stations[value][2])  # id, area, name, ...
    elif label == "property":
        value = view.name_of(value)
    return f"{word} {value}"


async def _trying(view: View, make: Callable[[], Awaitable[Response]]) -> Response:
    try:
        return await make()
    except HTTPException as error:
        status = error.status_code if error.status_code in {400, 401, 403, 404, 503} else 400
        return _page(view, "inspector_refused.html", status, why=status)


def _ours(view: View) -> None:
    from_our_own_page(view.request, view.settings.public_url)


def _then(view: View, where: str) -> RedirectResponse:
    """A reload of what follows posts nothing again."""
    return RedirectResponse(f"{view.prefix}/{where}", 303)
