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

from gateway.access.client_address import client_address
from gateway.api.http.openapi import describe_responses
from gateway.api.http.problems import reject_unknown_parameters
from gateway.api.live.frames import Subscription, encode_websocket
from gateway.api.live.hub import Hub
from gateway.api.live.subscribers import SocketViewer
from gateway.api.schemas.observations import LiveValue
from gateway.api.settings import ApiSettings

router = APIRouter(tags=["live"])
_SEND_TIMEOUT = 10.0
_PARAMETERS = ("area", "station", "property", "lastEventId")
_TRY_AGAIN_LATER, _POLICY_VIOLATION = 1013, 1008  # WebSocket's "try again later" and "policy violation"


@dataclass(frozen=True)
class LiveRequest:
    """What a viewer wants, and the last commit it saw."""

    subscription: Subscription
    last_id: int | None


def parse_live_request(query: bytes, headers: Iterable[tuple[bytes, bytes]]) -> LiveRequest | str:
    """What is asked for, or in one sentence what is wrong with it."""
    parameters = parse_qs(query.decode("latin-1"), keep_blank_values=True)
    for name, values in parameters.items():
        if name not in _PARAMETERS:
            return f"unknown query parameter {name[:80]!r}; there are: {', '.join(_PARAMETERS)}"
        if len(values) > 1 or len(values[0]) > 100 or not values[0].isprintable():
            return f"{name}: must be given once, in at most 100 characters"
    last_id_text = next((value.decode("latin-1") for name, value in headers if name.lower() == b"last-event-id"), "")
    last_id_text = last_id_text or parameters.get("lastEventId", [""])[0]
    if last_id_text and not (last_id_text.isascii() and last_id_text.isdecimal() and len(last_id_text) < 19):
        return f"Last-Event-ID: {last_id_text[:40]!r} is not an id that this feed gave out"
    subscription = Subscription(*(parameters.get(name, [None])[0] for name in _PARAMETERS[:3]))
    return LiveRequest(subscription, int(last_id_text) if last_id_text else None)


@router.get(
    "/live",
    summary="What is new, as it is committed: server-sent events, or a WebSocket at the same address",
    responses=describe_responses(LiveValue, "text/event-stream"),
    dependencies=[Depends(reject_unknown_parameters)],
)
async def get_live(
    request: Request,
    area: Annotated[str | None, Query(max_length=100)] = None,
    station: Annotated[str | None, Query(max_length=100)] = None,
    property: Annotated[str | None, Query(max_length=100)] = None,  # noqa: A002
    last_event_id: Annotated[str | None, Query(alias="lastEventId", description="resume after this id")] = None,
) -> Response:
    """Reached only where the door did not take the request over: it was wrong, a HEAD, or the house is full."""
    del area, station, property, last_event_id
    live_request = parse_live_request(request.url.query.encode("latin-1", "replace"), request.headers.raw)
    if isinstance(live_request, str):
        raise HTTPException(400, live_request)
    raise HTTPException(503, "too many live streams; try again in a minute", {"Retry-After": "60"})


@router.websocket("/live")
async def serve_live_socket(socket: WebSocket) -> None:
    """The same over a WebSocket: one JSON object a message, `{"id":…, "event":…, "data":…}`."""
    hub: Hub = socket.app.state.hub
    settings: ApiSettings = socket.app.state.settings
    await socket.accept()
    live_request = parse_live_request(socket.url.query.encode("latin-1", "replace"), socket.headers.raw)
    if isinstance(live_request, str):
        await socket.close(_POLICY_VIOLATION, live_request[:100])
        return
    peer = socket.client.host if socket.client else "unknown"
    address, _ = client_address(peer, socket.headers.getlist("x-forwarded-for"), settings.trusted_proxies)
    viewer = SocketViewer(live_request.subscription, address, settings)
    if not hub.join(viewer, live_request.last_id):
        await socket.close(_TRY_AGAIN_LATER, "too many live streams; try again in a minute")
        return
    try:
        await _serve_socket(socket, hub, viewer, live_request.last_id)
    finally:
        hub.leave(viewer)


async def _serve_socket(socket: WebSocket, hub: Hub, viewer: SocketViewer, last_id: int | None) -> None:
    disconnected = asyncio.ensure_future(_wait_for_disconnect(socket))
    disconnected.add_done_callback(lambda _: viewer.end())
    try:
        with suppress(TimeoutError, RuntimeError, WebSocketDisconnect):
            stale, update = hub.find_missed(viewer.subscription, last_id)
            if stale:
                await _send_text(socket, '{"event":"stale","data":{}}')
            for text in encode_websocket(update):
                await _send_text(socket, text)
            await _send_updates(socket, viewer)
            if not disconnected.done():
                await socket.close()
    finally:
        disconnected.cancel()


async def _send_updates(socket: WebSocket, viewer: SocketViewer) -> None:
    while not viewer.closed:
        await viewer.wake_up.wait()
        viewer.wake_up.clear()
        stale, update = viewer.backlog.drain()
        if stale:
            await _send_text(socket, '{"event":"stale","data":{}}')
        for text in encode_websocket(update):
            await _send_text(socket, text)
        if viewer.heartbeat_due:
            viewer.heartbeat_due = False
            await _send_text(socket, '{"event":"here"}')


async def _send_text(socket: WebSocket, text: str) -> None:
    """TimeoutError where the viewer does not read."""
    async with asyncio.timeout(_SEND_TIMEOUT):
        await socket.send_text(text)


async def _wait_for_disconnect(socket: WebSocket) -> None:
    with suppress(RuntimeError):
        while (await socket.receive())["type"] != "websocket.disconnect":
            pass
