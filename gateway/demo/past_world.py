"""The demo's world before its start: two days with what a region knows. Pure; the same for the same seed and end.

Plumes of the site with the wind right, an evening of fireworks in all villages, a morning of fog, a broken sensor, and
a node whose readings arrive late. Between them the air is calm. Fireworks and fog have their hour of the local day;
plumes make room for them.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from edge_agent.sensors.simulated_air import SimulatedFault, SimulatedPlume, SimulatedWind
from gateway.demo.live_world import WIND_AT_START
from gateway.demo.world import Emission, StationWorld, carry_plumes, plume_excess
from gateway.enrolment.site_file import SiteTable, StationTable

_TIME_ZONE = ZoneInfo("Europe/Amsterdam")
_HOUR = timedelta(hours=1)
_PM = ("pm1", "pm2_5", "pm4", "pm10")
# (hours before the end, direction of the wind in degrees, emissions, least and largest excess in ug/m3)
_EPISODES = (
    (44.0, WIND_AT_START[0], 3, (30.0, 60.0)),
    (33.0, 258.0, 2, (25.0, 50.0)),
    (20.0, WIND_AT_START[0], 3, (40.0, 80.0)),
    (10.0, 352.0, 2, (25.0, 50.0)),
    (3.0, WIND_AT_START[0], 2, (30.0, 60.0)),
)
_EPISODE_WIND = 6.0  # m/s
_EMISSION_INTERVAL = timedelta(minutes=40)
_EMISSION_DURATION = timedelta(minutes=14)
_QUIET_BEFORE_END = timedelta(minutes=15)  # every peak of the past is over when the demo starts
_FIREWORKS_AT, _FIREWORKS_DURATION = time(21), timedelta(minutes=50)
_FIREWORKS_WIND = (215.0, 2.0)
_FIREWORKS_EXCESS = (35.0, 60.0)  # ug/m3
_FOG_AT, _FOG_DURATION = time(4, 30), timedelta(hours=3, minutes=30)
_FOG_WIND = (100.0, 0.8)
_FOG_HUMIDITY = 10.0  # percentage points above those of a clear morning
_FAULT_HOURS = (29.0, 21.0)  # before the end: from, until
_BROKEN_STATION, _LATE_STATION, _FEWEST_STATIONS = 8, 1, 3
_LATE_HOURS = (20.5, 17.0)  # before the end: from, until
_CALM_WIND = (225.0, 3.0)


@dataclass(frozen=True, kw_only=True)
class _Span:
    """A time span in which something happens, UTC."""

    start: datetime
    end: datetime

    def is_near(self, other: "_Span") -> bool:
        """Whether less than half an hour lies between the two."""
        return self.start - _HOUR / 2 < other.end and other.start < self.end + _HOUR / 2


@dataclass(frozen=True, kw_only=True)
class _Episode:
    """Emissions of the site while the wind blows from one direction."""

    span: _Span
    direction: float
    emissions: int
    excess: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class PastWorld:
    """The world from `start` on; seconds count from it.

    late_station  number of the station whose readings of `late_seconds` (from, until) arrive late; None: no station
    """

    start: datetime
    stations: Sequence[StationWorld]
    late_station: int | None
    late_seconds: tuple[float, float]


def plan_past_world(
    stations: Sequence[StationTable], site: SiteTable, *, seed: int, start: datetime, end: datetime
) -> PastWorld:
    """Return what the air of each station did from `start` to `end`."""
    rng = random.Random(f"{seed} {end.isoformat()}")  # noqa: S311 - a fixed play, no secret
    fireworks = _find_daily(start, end, _FIREWORKS_AT, _FIREWORKS_DURATION)[:1]
    fog = _find_daily(start, end, _FOG_AT, _FOG_DURATION)[-1:]
    episodes = list(_place_episodes(start, end, [*fireworks, *fog]))
    winds = _plan_winds(start, end, episodes, fireworks, fog)
    emissions = [emission for episode in episodes for emission in _plan_emissions(episode, start, rng)]
    worlds = []
    for number, station in enumerate(stations):
        plumes = carry_plumes(emissions, site, station, winds)
        plumes += [_make_fireworks(span, start, rng) for span in fireworks]
        plumes += [_make_fog(span, start, rng) for span in fog]
        is_broken = number == _BROKEN_STATION
        worlds.append(StationWorld(plumes=plumes, winds=winds, faults=_plan_faults(start, end) if is_broken else ()))
    late_from, late_until = (max(0.0, (end - hours * _HOUR - start).total_seconds()) for hours in _LATE_HOURS)
    return PastWorld(
        start=start,
        stations=worlds,
        late_station=_LATE_STATION if len(stations) >= _FEWEST_STATIONS and late_until > 0.0 else None,
        late_seconds=(late_from, late_until),
    )


def _find_daily(start: datetime, end: datetime, at: time, duration: timedelta) -> list[_Span]:
    """Return the spans that begin at this local time of a day and lie between `start` and `end`."""
    day, spans = start.astimezone(_TIME_ZONE).date(), []
    while day <= end.astimezone(_TIME_ZONE).date():
        moment = datetime.combine(day, at, _TIME_ZONE).astimezone(UTC)
        if start + _HOUR <= moment and moment + duration <= end - _QUIET_BEFORE_END:
            spans.append(_Span(start=moment, end=moment + duration))
        day += timedelta(days=1)
    return spans


def _place_episodes(start: datetime, end: datetime, others: Sequence[_Span]) -> Iterator[_Episode]:
    """Yield the episodes; one that would meet fireworks or fog happens some hours later, or not at all."""
    for hours, direction, emissions, excess in _EPISODES:
        span = _Span(start=end - hours * _HOUR, end=end - hours * _HOUR + emissions * _EMISSION_INTERVAL)
        while any(span.is_near(other) for other in others):
            span = _Span(start=span.start + _HOUR, end=span.end + _HOUR)
        if start + _HOUR <= span.start and span.end <= end - _QUIET_BEFORE_END:
            yield _Episode(span=span, direction=direction, emissions=emissions, excess=excess)


def _plan_emissions(episode: _Episode, start: datetime, rng: random.Random) -> list[Emission]:
    begin = (episode.span.start - start).total_seconds()
    return [
        Emission(
            start_seconds=begin + number * _EMISSION_INTERVAL.total_seconds(),
            duration_seconds=_EMISSION_DURATION.total_seconds() * rng.uniform(0.7, 1.2),
            excess=rng.uniform(*episode.excess),
        )
        for number in range(episode.emissions)
    ]


def _plan_winds(
    start: datetime, end: datetime, episodes: Sequence[_Episode], fireworks: Sequence[_Span], fog: Sequence[_Span]
) -> list[SimulatedWind]:
    """The wind is steady while something happens, and turns in between."""
    steady = [(episode.span, (episode.direction, _EPISODE_WIND)) for episode in episodes]
    steady += [(span, _FIREWORKS_WIND) for span in fireworks] + [(span, _FOG_WIND) for span in fog]
    points = {start: _CALM_WIND, end: WIND_AT_START}
    for span, wind in steady:
        points |= {span.start - _HOUR / 3: wind, span.end: wind}
    return [
        SimulatedWind(start_seconds=(moment - start).total_seconds(), direction=direction, speed=speed)
        for moment, (direction, speed) in sorted(points.items())
    ]


def _make_fireworks(span: _Span, start: datetime, rng: random.Random) -> SimulatedPlume:
    return SimulatedPlume(
        start_seconds=round((span.start - start).total_seconds() + rng.uniform(-120, 120)),
        duration_seconds=round((span.end - span.start).total_seconds() * rng.uniform(0.9, 1.1)),
        excess=plume_excess(rng.uniform(*_FIREWORKS_EXCESS)),
    )


def _make_fog(span: _Span, start: datetime, rng: random.Random) -> SimulatedPlume:
    return SimulatedPlume(
        start_seconds=round((span.start - start).total_seconds() + rng.uniform(-600, 600)),
        duration_seconds=round((span.end - span.start).total_seconds()),
        excess={"humidity": _FOG_HUMIDITY},
    )


def _plan_faults(start: datetime, end: datetime) -> list[SimulatedFault]:
    begin, until = (max(0.0, (end - hours * _HOUR - start).total_seconds()) for hours in _FAULT_HOURS)
    if until == 0.0:
        return []
    return [SimulatedFault(start_seconds=begin, duration_seconds=until - begin, properties=_PM)]
