"""Updates of the live feed: selected by subscription, collected for slow viewers, encoded as bytes. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from msgspec import json

from gateway.api.schemas.events import Event
from gateway.api.schemas.observations import LiveValue
from gateway.api.schemas.preliminary import PreliminaryPeak

STALE_FRAME = b"event: stale\ndata: {}\n\n"
STALE_TEXT = '{"event":"stale","data":{}}'
_MARKS_NAME = "preliminary"
_MAX_BACKLOG_EVENTS = 500
_MAX_BACKLOG_VALUES = 250  # more would cost a megabyte per viewer at ten thousand stations


@dataclass(frozen=True, kw_only=True)
class LiveUpdate:
    """The values and events of one commit. `id`: the commit from which to resume.

    `unread_stations`: of these a value or event of the commit could not be read; those of the others are complete.
    `marks`: all preliminary marks that hold now, of all areas; None: as before.
    """

    id: int
    area: str
    values: Sequence[LiveValue]
    events: Sequence[Event]
    unread_stations: Sequence[str] = ()
    marks: Sequence[PreliminaryPeak] | None = None

    def __bool__(self) -> bool:
        return bool(self.values or self.events or self.unread_stations) or self.marks is not None


@dataclass(frozen=True)
class Subscription:
    """The filters of a viewer; None matches everything."""

    area: str | None = None
    station: str | None = None
    observed_property: str | None = None

    def matches(self, area: str, station: str, observed_property: str) -> bool:
        """Whether a value or event of these matches."""
        return (
            (self.station is None or self.station == station)
            and (self.area is None or self.area == area)
            and (self.observed_property is None or self.observed_property == observed_property)
        )

    def select(self, update: LiveUpdate) -> LiveUpdate:
        """The matching part of the update of a commit."""
        if self.area not in {None, update.area}:
            return replace(update, values=[], events=[], unread_stations=[])
        if self.station is None and self.observed_property is None:
            return update
        values = [item for item in update.values if self.matches(update.area, item.station, item.observed_property)]
        events = [item for item in update.events if self.matches(update.area, item.station, item.observed_property)]
        unread = [item for item in update.unread_stations if self.station in {None, item}]
        return replace(update, values=values, events=events, unread_stations=unread)


class Backlog:
    """The unread updates of a slow viewer: the newest value of each property and station, every event, all marks.

    Over 250 values are dropped, and the viewer has to read everything again.
    """

    __slots__ = ("_events", "_id", "_marks", "_stale", "_unread", "_values")

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], LiveValue] = {}
        self._events: list[Event] = []
        self._unread: set[str] = set()
        self._marks: Sequence[PreliminaryPeak] | None = None
        self._id, self._stale = 0, False

    def add(self, update: LiveUpdate | None) -> bool:
        """Add an update; None: the viewer has to read everything again. False if over 500 events are unread."""
        if update is None:
            self._stale = True
            return True
        self._id = max(self._id, update.id)
        for value in update.values:
            self._values[value.station, value.observed_property] = value
        if len(self._values) > _MAX_BACKLOG_VALUES:
            self._values, self._stale = {}, True
        self._events += update.events
        self._unread.update(update.unread_stations)
        self._marks = self._marks if update.marks is None else update.marks
        return len(self._events) <= _MAX_BACKLOG_EVENTS

    def drain(self) -> tuple[bool, LiveUpdate]:
        """Whether the viewer has to read everything again, and the unread updates; both are reset."""
        update = LiveUpdate(
            id=self._id,
            area="",
            values=list(self._values.values()),
            events=self._events,
            unread_stations=sorted(self._unread),
            marks=self._marks,
        )
        is_stale, self._stale = self._stale, False
        self._values, self._events, self._unread, self._marks = {}, [], set(), None
        return is_stale, update


class Replay:
    """The updates that a returning viewer missed, encoded once for all that missed the same.

    `stale`: they are too many, and the viewer has to read everything again.
    """

    def __init__(self, update: LiveUpdate, *, stale: bool) -> None:
        self.update, self.stale = update, stale

    @cached_property
    def sse(self) -> bytes:
        """As server-sent events; `stale` has an id, so that the viewer does not return with its old one."""
        stale = b"id: %d\n%b" % (self.update.id, STALE_FRAME) if self.stale else b""
        return stale + encode_sse(self.update)

    @cached_property
    def websocket(self) -> Sequence[str]:
        """As frames of a WebSocket."""
        return [*([STALE_TEXT] if self.stale else []), *encode_websocket(self.update)]


def encode_sse(update: LiveUpdate) -> bytes:
    """The update as server-sent events: events first, each with the id from which to resume."""
    frames = [
        b"id: %d\nevent: %b\ndata: %b\n\n" % (id_, name.encode(), data) for id_, name, data in _encode_frames(update)
    ]
    if update.marks is not None:
        frames.append(b"event: %b\ndata: %b\n\n" % (_MARKS_NAME.encode(), json.encode(update.marks)))
    return b"".join(frames)


def encode_websocket(update: LiveUpdate) -> list[str]:
    """The same for a WebSocket: one JSON object per frame."""
    frames = [f'{{"id":{id_},"event":"{name}","data":{data.decode()}}}' for id_, name, data in _encode_frames(update)]
    if update.marks is not None:
        frames.append(f'{{"event":"{_MARKS_NAME}","data":{json.encode(update.marks).decode()}}}')
    return frames


def _encode_frames(update: LiveUpdate) -> list[tuple[int, str, bytes]]:
    """Id, name and JSON of each frame of the commit: what could not be read, events, values.

    Marks have a frame without an id: they are the present state, and no part of the commit.
    """
    frames = [("not_read", json.encode({"station": station})) for station in update.unread_stations]
    frames += [("event", json.encode(event)) for event in update.events]
    if update.values:
        frames.append(("observation", json.encode(update.values)))
    # Only the last frame has the id of the commit: a viewer disconnected before it gets the whole commit again.
    last = len(frames) - 1
    return [(update.id - (i < last), name, data) for i, (name, data) in enumerate(frames)]
