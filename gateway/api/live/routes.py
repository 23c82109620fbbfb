"""`/api/v1/live`: server-sent events (through the door) and WebSocket, with the same wishes and the same resuming.

A viewer resumes with Last-Event-ID, or `lastEventId` where it cannot set a header. Where that is too long ago it
gets one `stale` and should read stations and events again. A quiet stream carries a sign of life.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from gateway.api.http.openapi import answers_with
from gateway.api.http.problems import only_known_parameters
from gateway.api.live.frames import Wish, messages
from gateway.api.live.hub import Hub
from gateway.api.live.subscribers import SocketViewer
from gateway.api.schemas.observations import LiveValue
from gateway.api.settings import ApiSettings

router = APIRouter(tags=["live"])
_UNREAD_SECONDS = 10.0
_KNOWN = ("area", "station", "property", "lastEventId")
_TOO_FULL, _WRONG = 1013, 1008  # WebSocket's "try again later" and "policy violation"


@dataclass(frozen=True)
class Asked:
    """What a viewer wants, and the last commit it saw."""

    wish: Wish
    last_id: int | None


def asked(query: bytes, headers: Iterable[tuple[bytes, bytes]]) -> Asked | str:
    """What is asked for, or in one sentence what is wrong with it."""
    given = parse_qs(query.decode("latin-1"), keep_blank_values=True)
    for name, values in given.items():
        if name not in _KNOWN:
            return f"unknown query parameter {name[:80]!r}; there are: {', '.join(_KNOWN)}"
        if len(values) > 1 or len(values[0]) > 100 or not values[0].isprintable():
            return f"{name}: must be given once, in at most 100 characters"
    last = next((value.decode("latin-1") for name, value in headers if name.lower() == b"last-event-id"), "")
    last = last or given.get("lastEventId", [""])[0]
    if last and not (last.isascii() and last.isdecimal() and len(last) < 19):
        return f"Last-Event-ID: {last[:40]!r} is not an id that this feed gave out"
    wish = Wish(*(given.get(name, [None])[0] for name in _KNOWN[:3]))
    return Asked(wish, int(last) if last else None)


@router.get(
    "/live",
    summary="What is new, as it is committed: server-sent events, or a WebSocket at the same address",
    responses=answers_with(LiveValue, "text/event-stream"),
    dependencies=[Depends(only_known_parameters)],
)
async def live(
    request: Request,
    area: Annotated[str | None, Query(max_length=100)] = None,
    station: Annotated[str | None, Query(max_length=100)] = None,
    property: Annotated[str | None, Query(max_length=100)] = None,  # noqa: A002
    last_event_id: Annotated[str | None, Query(alias="lastEventId", description="resume after this id")] = None,
) -> Response:
    """Reached only where the door did not take the request over: it was wrong, a HEAD, or the house is full."""
    del area, station, property, last_event_id
    wanted = asked(request.url.query.encode("latin-1", "replace"), request.headers.raw)
    if isinstance(wanted, str):
        raise HTTPException(400, wanted)
    raise HTTPException(503, "too many live streams; try again in a minute", {"Retry-After": "60"})


@router.websocket("/live")
async def live_socket(socket: WebSocket) -> None:
    """The same over a WebSocket: one JSON object a message, `{"id":…, "event":…, "data":…}`."""
    hub: Hub = socket.app.state.hub
    settings: ApiSettings = socket.app.state.settings
    await socket.accept()
    wanted = asked(socket.url.query.encode("latin-1", "replace"), socket.headers.raw)
    if isinstance(wanted, str):
        await socket.close(_WRONG, wanted[:100])
        return
    viewer = SocketViewer(wanted.wish, socket.client.host if socket.client else "local", settings)
    if not hub.join(viewer, wanted.last_id):
        await socket.close(_TOO_FULL, "too many live streams; try again in a minute")
        return
    try:
        await _converse(socket, hub, viewer, wanted.last_id)
    finally:
        hub.leave(viewer)


async def _converse(socket: WebSocket, hub: Hub, viewer: SocketViewer, last_id: int | None) -> None:
    gone = asyncio.ensure_future(_listen(socket))
    gone.add_done_callback(lambda _: viewer.end())
    try:
        with suppress(TimeoutError, RuntimeError, WebSocketDisconnect):
            stale, missed = hub.missed_news(viewer.wish, last_id)
            if stale:
                await _say(socket, '{"event":"stale","data":{}}')
            for text in messages(missed):
                await _say(socket, text)
            await _feed(socket, viewer)
            if not gone.done():
                await socket.close()
    finally:
        gone.cancel()


async def _feed(socket: WebSocket, viewer: SocketViewer) -> None:
    while not viewer.closed:
        await viewer.news.wait()
        viewer.news.clear()
        stale, news = viewer.unread.take()
        if stale:
            await _say(socket, '{"event":"stale","data":{}}')
        for text in messages(news):
            await _say(socket, text)
        if viewer.beat:
            viewer.beat = False
            await _say(socket, '{"event":"here"}')


async def _say(socket: WebSocket, text: str) -> None:
    """TimeoutError where the viewer does not read."""
    async with asyncio.timeout(_UNREAD_SECONDS):
        await socket.send_text(text)


async def _listen(socket: WebSocket) -> None:
    with suppress(RuntimeError):
        while (await socket.receive())["type"] != "websocket.disconnect":
            pass
