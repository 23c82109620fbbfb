"""The wind of an area now: the vector mean of its stations that measure wind. Pure.

The map, the answer on the first screen and the texts take it from here, so that all show the same wind.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from edge_agent.wire import is_guest
from gateway.api.data.minute_window import MinuteWindow
from gateway.api.data.registry import PublicRegistry
from gateway.model.geodesy import bearing_degrees

_CALM_SPEED = 0.3  # m/s; below it a vane does not move, and the direction means nothing


@dataclass(frozen=True, kw_only=True)
class AreaWind:
    """The direction that the wind comes from, in degrees from north, and the speed in m/s, both of the mean vector.

    `direction` is None in a calm. `stations`: how many stations are in the mean. `at`: the newest reading of these.
    """

    direction: float | None
    speed: float
    stations: int
    at: datetime


@dataclass(frozen=True, kw_only=True)
class StationWind:
    """The wind of one station: mean of its newest minute. `direction` is None in a calm."""

    direction: float | None
    speed: float
    at: datetime


def read_station_wind(windows: Mapping[str, MinuteWindow], oldest: datetime) -> StationWind | None:
    """The wind of a station that measures both direction and speed, if it is not older than `oldest`."""
    direction, speed = windows.get("wind_direction"), windows.get("wind_speed")
    if direction is None or speed is None:
        return None
    if direction.minute.mean is None or speed.minute.mean is None or direction.minute.observed_at is None:
        return None
    at = datetime.fromisoformat(direction.minute.observed_at)
    if at < oldest:
        return None
    is_calm = speed.minute.mean < _CALM_SPEED
    return StationWind(direction=None if is_calm else direction.minute.mean, speed=speed.minute.mean, at=at)


def compute_area_wind(
    registry: PublicRegistry,
    windows: Mapping[str, Mapping[str, MinuteWindow]],
    area: str,
    now: datetime,
    max_age: timedelta = timedelta(minutes=2),
) -> AreaWind | None:
    """The mean wind of an area's stations without guests; None if none of them measured wind within `max_age`."""
    stations = [row for row in registry.stations.values() if row.area == area and not is_guest(row.id)]
    read_winds = (read_station_wind(windows.get(station.id, {}), now - max_age) for station in stations)
    winds = [wind for wind in read_winds if wind is not None]
    if not winds:
        return None
    moving = [wind for wind in winds if wind.direction is not None]
    east = math.fsum(wind.speed * math.sin(math.radians(wind.direction or 0.0)) for wind in moving) / len(winds)
    north = math.fsum(wind.speed * math.cos(math.radians(wind.direction or 0.0)) for wind in moving) / len(winds)
    speed = math.hypot(east, north)
    return AreaWind(
        direction=None if speed < _CALM_SPEED else bearing_degrees(east, north),
        speed=speed,
        stations=len(winds),
        at=max(wind.at for wind in winds),
    )
