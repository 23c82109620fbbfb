"""`/api/v1/live`: server-sent events and WebSocket, with the same parameters.

`live.protocol` serves server-sent events before a request reaches this route; here are the WebSocket and the errors.
A viewer resumes with Last-Event-ID, or with `lastEventId` if it cannot set a header. If that is too long ago it gets
one `stale` and should read stations and events again. An idle stream carries heartbeats.
"""

import asyncio
import time
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from gateway.access.rate_limit import rate_limit_key
from gateway.api.http.openapi import describe_stream
from gateway.api.http.problems import reject_unknown_parameters
from gateway.api.live.admission import Admission
from gateway.api.live.frames import Replay
from gateway.api.live.hub import Hub
from gateway.api.live.request import parse_live_request
from gateway.api.live.subscribers import STALL_TIMEOUT, SocketViewer
from gateway.api.schemas.events import Event
from gateway.api.schemas.observations import LiveValue
from gateway.api.schemas.preliminary import PreliminaryPeak
from gateway.api.settings import ApiSettings

router = APIRouter(tags=["live"])
_TRY_AGAIN_LATER, _POLICY_VIOLATION = 1013, 1008  # WebSocket close codes


@router.get(
    "/live",
    summary="New values and events as they are committed: server-sent events, or a WebSocket at the same address",
    responses=describe_stream(
        "Frames by the name of their event",
        {"observation": LiveValue, "event": Event, "preliminary": PreliminaryPeak},
        lists=("observation", "preliminary"),
    ),
    dependencies=[Depends(reject_unknown_parameters)],
)
async def get_live(
    request: Request,
    area: Annotated[str | None, Query(max_length=100)] = None,
    station: Annotated[str | None, Query(max_length=100)] = None,
    property_: Annotated[str | None, Query(alias="property", max_length=100)] = None,
    last_event_id: Annotated[str | None, Query(alias="lastEventId", description="resume after this id")] = None,
) -> Response:
    """Reached only if `live.protocol` did not take the request: invalid, a HEAD, or too many viewers."""
    del area, station, property_, last_event_id
    live_request = parse_live_request(request.url.query.encode("latin-1", "replace"), request.headers.raw)
    if isinstance(live_request, str):
        raise HTTPException(400, live_request)
    raise HTTPException(503, "too many live streams; try again in a minute", {"Retry-After": "60"})


@router.websocket("/live")
async def serve_live_socket(socket: WebSocket) -> None:
    """The same over a WebSocket: one JSON object per frame, `{"id":…, "event":…, "data":…}`."""
    hub: Hub = socket.app.state.hub
    settings: ApiSettings = socket.app.state.settings
    await socket.accept()
    live_request = parse_live_request(socket.url.query.encode("latin-1", "replace"), socket.headers.raw)
    if isinstance(live_request, str):
        await socket.close(_POLICY_VIOLATION, live_request[:100])
        return
    admission: Admission = socket.app.state.admission
    peer = socket.client.host if socket.client else "unknown"
    client = admission.identify_client(peer, socket.headers.getlist("x-forwarded-for"))
    viewer = SocketViewer(live_request.subscription, rate_limit_key(client.address), settings)
    if not hub.has_room(viewer.address) or not admission.admit(client, time.monotonic()):
        await socket.close(_TRY_AGAIN_LATER, "too many live streams; try again in a minute")
        return
    hub.join(viewer, live_request.last_id)
    try:
        await _serve_socket(socket, hub, viewer, live_request.last_id)
    finally:
        hub.leave(viewer)


async def _serve_socket(socket: WebSocket, hub: Hub, viewer: SocketViewer, last_id: int | None) -> None:
    disconnected = asyncio.ensure_future(_wait_for_disconnect(socket))
    disconnected.add_done_callback(lambda _: viewer.end())
    try:
        with suppress(TimeoutError, RuntimeError, WebSocketDisconnect):
            for text in hub.find_replay(viewer.subscription, last_id).websocket:
                await _send_text(socket, viewer, text)
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
        for text in Replay(update, stale=stale).websocket:
            await _send_text(socket, viewer, text)
        if viewer.heartbeat_due:
            viewer.heartbeat_due = False
            await _send_text(socket, viewer, '{"event":"here"}')


async def _send_text(socket: WebSocket, viewer: SocketViewer, text: str) -> None:
    """Raises TimeoutError if the viewer does not read for 10 s, and WebSocketDisconnect if it has been disconnected."""
    if viewer.closed:
        raise WebSocketDisconnect
    viewer.stalled_at = time.monotonic()
    async with asyncio.timeout(STALL_TIMEOUT):
        await socket.send_text(text)
    viewer.stalled_at = None


async def _wait_for_disconnect(socket: WebSocket) -> None:
    with suppress(RuntimeError):
        while (await socket.receive())["type"] != "websocket.disconnect":
            pass
