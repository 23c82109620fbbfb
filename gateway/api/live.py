"""`GET /api/v1/live`: server-sent events, written straight to ASGI so that a stream can be ended and measured.

A viewer resumes with Last-Event-ID. Where that is too old for the ring it gets one `stale` event and
should read the stations again. A quiet stream carries a comment as a sign of life.
"""

import asyncio
import random
import time
from contextlib import suppress
from urllib.parse import parse_qs

from msgspec import json
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.api.hub import Hub, Viewer
from gateway.api.problems import problem
from gateway.api.representations import flag_names, instant
from gateway.api.settings import ApiSettings
from gateway.live import LiveEvent, LiveObservation

_UNREAD_SECONDS = 10.0
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class LiveEndpoint:
    """The ASGI application behind the address."""

    def __init__(self, hub: Hub, settings: ApiSettings) -> None:
        self._hub, self._settings = hub, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One stream, until the viewer leaves, is cut, or the lease ends."""
        asked = _asked(scope)
        if isinstance(asked, Response):
            await asked(scope, receive, send)
            return
        area, last_id = asked
        viewer = self._hub.join(area, last_id)
        if viewer is None:
            full = problem(503, "too many live streams; try again in a minute")
            full.headers["Retry-After"] = "60"
            await full(scope, receive, send)
            return
        try:
            await self._stream(viewer, receive, send)
        finally:
            self._hub.leave(viewer)

    async def _stream(self, viewer: Viewer, receive: Receive, send: Send) -> None:
        gone = asyncio.ensure_future(_disconnected(receive))
        gone.add_done_callback(lambda _: viewer.close())
        try:
            with suppress(TimeoutError, OSError):
                await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
                retry = f"retry: {random.randint(1_000, 4_000)}\n\n".encode()  # noqa: S311 - only spreads reconnects
                await _write(send, retry + (b"event: stale\ndata: {}\n\n" if viewer.stale else b""))
                await self._feed(viewer, send)
                if not gone.done():
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            gone.cancel()

    async def _feed(self, viewer: Viewer, send: Send) -> None:
        end = time.monotonic() + self._settings.lease
        while not viewer.closed and time.monotonic() < end:
            try:
                await asyncio.wait_for(viewer.news.wait(), self._settings.heartbeat)
            except TimeoutError:
                await _write(send, b": here\n\n")
                continue
            await _write(send, frames(viewer.last_id, *viewer.take()))


def frames(id_: int, observations: list[LiveObservation], events: list[LiveEvent]) -> bytes:
    """What is new as server-sent events; each carries the id from which to resume."""
    parts = [_frame(id_, "event", _event(event)) for event in events]
    if observations:
        parts.append(_frame(id_, "observation", [_observation(one) for one in observations]))
    return b"".join(parts)


def _frame(id_: int, name: str, data: object) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (id_, name.encode(), json.encode(data))


def _observation(one: LiveObservation) -> dict[str, object]:
    return {
        "station": one.station,
        "observedProperty": one.observed_property,
        "observedAt": instant(one.observed_at),
        "value": one.value,
        "flags": flag_names(one.flags),
        "recent": one.recent,
    }


def _event(one: LiveEvent) -> dict[str, object]:
    event = one.event
    return {
        "id": event.id,
        "revision": event.revision,
        "change": event.change.value,
        "kind": event.kind.value,
        "area": one.area,
        "station": event.station,
        "observedProperty": event.observed_property,
        "unit": one.unit,
        "severity": one.severity,
        "onset": instant(event.onset),
        "peakAt": instant(event.peak_at),
        "detectedAt": instant(event.detected_at),
        "end": instant(event.end),
        "peak": event.peak,
        "background": event.background,
        "excess": event.excess,
        "confidence": event.confidence,
        "reasons": list(event.reasons),
        "detectedLate": event.detected_late,
    }


async def _write(send: Send, body: bytes) -> None:
    """TimeoutError where the viewer does not read."""
    async with asyncio.timeout(_UNREAD_SECONDS):
        await send({"type": "http.response.body", "body": body, "more_body": True})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _asked(scope: Scope) -> tuple[str | None, int | None] | Response:
    """(area, last event id), or the problem with the request."""
    if scope["method"] not in {"GET", "HEAD"}:
        return problem(405, f"{scope['method']} is not possible here")
    query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    unknown = set(query) - {"area", "lastEventId"}
    if unknown:
        return problem(400, f"unknown query parameter {min(unknown)[:80]!r}; there are: area, lastEventId")
    headers = {name.lower(): value for name, value in scope["headers"]}
    last = headers.get(b"last-event-id", b"").decode("latin-1") or query.get("lastEventId", [""])[0]
    if last and not (last.isdecimal() and len(last) < 19):
        return problem(400, f"Last-Event-ID: {last[:40]!r} is not an id that this feed gave out")
    return query.get("area", [None])[0], int(last) if last else None
