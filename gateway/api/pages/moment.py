"""A past moment that a link asks for: `?at=`, and what was measured and going on in its minute.

A moment is written in RFC 3339, or as a form of a browser writes it: local time without a zone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from alerting.vocabulary import LOCAL_TIMEZONE
from gateway.api.data.area_wind import compute_area_wind
from gateway.api.data.database import Database
from gateway.api.data.minute_window import MinuteWindow
from gateway.api.data.registry import PublicRegistry
from gateway.api.pages.first_screen import join_stations, list_open_peaks, name_areas
from gateway.api.pages.renderer import View
from gateway.api.pages.situation import build_situations
from gateway.api.routes import events, plumes
from gateway.api.routes.events import EventFilters
from gateway.api.routes.plumes import PlumeFilters
from gateway.api.schemas.observations import Minute
from gateway.api.schemas.situations import Situations
from gateway.model.figures import shorten
from gateway.model.properties import SHOWN_PROPERTIES
from gateway.model.timestamps import format_instant, to_ms

MINUTE = timedelta(minutes=1)
_LONGEST_EVENT = timedelta(hours=12)
_MAX_EVENTS = 500
_PROPERTIES = frozenset({*SHOWN_PROPERTIES, "wind_direction", "wind_speed"})
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class PageMoment:
    """The start of a minute in UTC. `problem`: key of the text that states why it is not shown; empty without."""

    at: datetime | None = None
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class MinuteMeanRow:
    """A row of the query `select_minute_means`."""

    datastream: int
    mean: float
    max: float | None
    count: int
    valid_count: int


def read_moment(text: str, now: datetime) -> PageMoment:
    """The minute of a moment; one that cannot be read or has not come yet has a problem. Empty: neither."""
    if not text.strip():
        return PageMoment()
    try:
        at = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text.strip())
        at = (at if at.tzinfo is not None else at.replace(tzinfo=LOCAL_TIMEZONE)).astimezone(UTC)
    except (ValueError, OverflowError):
        return PageMoment(problem="moment_unreadable")
    if at > now:
        return PageMoment(problem="moment_future")
    if at < _EARLIEST:
        return PageMoment(problem="moment_unreadable")
    return PageMoment(at=at.replace(second=0, microsecond=0))


def look_back(view: View, at: datetime) -> View:
    """The view as it was at the end of that minute."""
    return replace(view, now=at + MINUTE)


async def fetch_minute(view: View, at: datetime) -> dict[str, dict[str, Minute]]:
    """Per station and property the means of that minute. Of two nodes at one station the first one counts."""
    database: Database = view.request.app.state.database
    ids = [id_ for id_, row in view.registry.datastreams.items() if row.observed_property in _PROPERTIES]
    values = {"ids": ids, "start": at, "end": at + MINUTE}
    rows = await database.fetch(MinuteMeanRow, "select_minute_means", values)
    minutes: dict[str, dict[str, Minute]] = {}
    for row in rows:
        datastream = view.registry.datastreams[row.datastream]
        station_minutes = minutes.setdefault(datastream.station, {})
        station_minutes.setdefault(datastream.observed_property, build_past_minute(view.registry, row, at))
    return minutes


def build_past_minute(registry: PublicRegistry, row: MinuteMeanRow, at: datetime) -> Minute:
    """A minute of the past, in the form of the newest one."""
    return Minute(
        unit=registry.properties[registry.datastreams[row.datastream].observed_property].unit,
        observed_at=format_instant(at + MINUTE - timedelta(milliseconds=1)),
        value=None,
        mean=shorten(row.mean),
        max=row.max,
        count=row.count,
        valid_count=row.valid_count,
        expected_count=None,
        flags=[],
        excluded=None,
    )


async def fetch_past_situations(view: View, at: datetime, minutes: Mapping[str, Mapping[str, Minute]]) -> Situations:
    """The situation at each station in that minute; `view` looks back at it."""
    filters = EventFilters(kinds=events.PUBLIC_KINDS, start=at - _LONGEST_EVENT, end=view.now)
    past_events = await events.fetch_events(view.request, _MAX_EVENTS, filters)
    going_on = [
        event
        for event in past_events
        if event.change != "voided" and (event.end is None or datetime.fromisoformat(event.end) > at)
    ]
    plume_filters = PlumeFilters(start=at - _LONGEST_EVENT, end=view.now)
    fetched = await plumes.fetch_plumes(view.request, _MAX_EVENTS, plume_filters)
    peaks = list_open_peaks(going_on, [item.document for item in fetched])
    stations = join_stations(view.registry, minutes, peaks, None)
    windows = {
        station: {
            name: MinuteWindow(minute.unit, [(to_ms(at), minute.mean, 0)]) for name, minute in by_property.items()
        }
        for station, by_property in minutes.items()
    }
    winds = {id_: compute_area_wind(view.registry, windows, id_, view.now) for id_ in view.registry.areas}
    max_age = timedelta(seconds=view.settings.no_data_after_seconds)
    return build_situations(view, stations, winds, name_areas(view, None), max_age, view.settings.operator)
