"""`/playback`: the one-minute means of a day at every station, small enough for a telephone."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response

from gateway.api.data.latest_values import LatestValues
from gateway.api.data.playback import MINUTE, PlaybackCache, choose_resolution
from gateway.api.http.openapi import describe_responses
from gateway.api.http.parameters import AreaId
from gateway.api.http.problems import reject_unknown_parameters
from gateway.api.http.responses import respond_cached
from gateway.api.routes import events
from gateway.api.routes.events import EventFilters
from gateway.api.routes.places import get_latest_values
from gateway.api.schemas.events import Event
from gateway.api.schemas.playback import Playback, PlaybackPeak
from gateway.model.legal_day import LEGAL_TIME_ZONE, day_start, next_day
from gateway.model.timestamps import format_instant

router = APIRouter(dependencies=[Depends(reject_unknown_parameters)], tags=["observations"])

_MAX_AGE = 10.0
_MAX_PEAKS = 1_000
_LONGEST_EVENT = timedelta(hours=12)
_NOON = timedelta(hours=12)
DayText = Annotated[
    str | None,
    Query(max_length=10, description="a legal day of the area, as 2026-11-28; without it: the last 24 hours"),
]


@router.get(
    "/playback",
    summary="The one-minute means of a day at every station, in steps, and the peaks of that day",
    responses=describe_responses(Playback),
)
async def get_playback(
    request: Request,
    area: AreaId = None,
    day: DayText = None,
    property_: Annotated[str, Query(alias="property", description="such as pm2_5", max_length=100)] = "pm2_5",
) -> Response:
    """A day as frames."""

    async def make() -> Playback:
        latest_values = await get_latest_values(request)
        latest_values.check_parameters(area=area, observed_property=property_)
        registry = latest_values.registry
        time_zone = LEGAL_TIME_ZONE if area is None else registry.areas[area].time_zone
        period = choose_period(day, time_zone, datetime.now(UTC))
        stations = [row.id for row in registry.stations.values() if area in {None, row.area}]
        cache: PlaybackCache = request.app.state.playback_cache
        return Playback(
            observed_property=property_,
            unit=registry.properties[property_].unit,
            start=format_instant(period[0]),
            end=format_instant(period[1]),
            resolution=choose_resolution(property_),
            stations=await cache.fetch(registry, stations, property_, period),
            peaks=await _fetch_peaks(request, latest_values, area, period),
            attribution=request.app.state.settings.operator,
        )

    return await respond_cached(request, make, max_age=_MAX_AGE)


def choose_period(day: str | None, time_zone: str, now: datetime) -> tuple[datetime, datetime]:
    """The whole minutes of a legal day that are over, or those of the last 24 hours. Raises HTTPException 400."""
    until = now.replace(second=0, microsecond=0)
    if day is None:
        return until - timedelta(days=1), until
    try:
        noon = datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC) + _NOON
        start, end = day_start(noon, time_zone), next_day(noon, time_zone)
    except (ValueError, OverflowError):
        raise HTTPException(400, f"day: {day[:40]!r} is no day; write it as 2026-11-28") from None
    if start >= until:
        raise HTTPException(400, f"day: {day} has not begun yet")
    return start, min(end, until)


async def _fetch_peaks(
    request: Request, latest_values: LatestValues, area: str | None, period: tuple[datetime, datetime]
) -> list[PlaybackPeak]:
    """The peaks that go on in the period, at stations that still exist, the oldest first."""
    filters = EventFilters(area=area, kinds=events.PUBLIC_KINDS, start=period[0] - _LONGEST_EVENT, end=period[1])
    day_events = await events.fetch_events(request, _MAX_PEAKS, filters)
    peaks = [
        build_peak(event, period)
        for event in reversed(day_events)
        if event.change != "voided" and event.station in latest_values.registry.stations
    ]
    return [peak for peak in peaks if peak.last >= peak.first]


def build_peak(event: Event, period: tuple[datetime, datetime]) -> PlaybackPeak:
    """The frames of an event; `last` before `first` if it lies outside the period."""
    start, end = period
    onset = datetime.fromisoformat(event.onset)
    over = end if event.end is None else min(end, datetime.fromisoformat(event.end))
    return PlaybackPeak(
        event=event.id,
        station=event.station,
        severity=event.severity,
        first=max(0, (onset - start) // MINUTE),
        last=min((over - start) // MINUTE, (end - start) // MINUTE - 1),
    )
