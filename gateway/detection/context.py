"""Context of an event: neighbours, wind, and the facilities upwind. Pure."""

import math
from collections.abc import Sequence

from gateway.model.event import Neighbours, UpwindSite, Wind
from gateway.model.geodesy import bearing_and_distance, bearing_degrees, offset_metres
from gateway.model.registry import Registry, Station

_MIN_HALF_SECTOR = 22.5  # degrees; half of the narrowest sector
_MAX_WIND_SPREAD = 60.0
_MAX_DISTANCE = 25_000.0  # m
_CALM_SPEED = 0.5  # m/s: below it the direction of a vane means nothing


def wind_from_sums(east: float, north: float, speed: float, readings: int) -> Wind | None:
    """Return the wind from sums over `readings` unit vectors; None without a reading or in calm air."""
    if readings == 0 or speed / readings < _CALM_SPEED:
        return None
    resultant_length = min(math.hypot(east, north) / readings, 1.0)
    spread = math.degrees(math.sqrt(-2 * math.log(max(resultant_length, 1e-6))))
    return Wind(
        direction=round(bearing_degrees(east, north), 1),
        spread=round(spread, 1),
        speed=round(speed / readings, 1),
        readings=readings,
    )


def find_upwind_sites(station: Station, wind: Wind | None, registry: Registry) -> tuple[UpwindSite, ...]:
    """Return the area's facilities in the sector that the wind came from, the most upwind first."""
    if wind is None or wind.spread > _MAX_WIND_SPREAD:
        return ()
    ranked_sites = []
    for site in registry.sites:
        bearing, distance = bearing_and_distance(station.latitude, station.longitude, site.latitude, site.longitude)
        deviation = abs((bearing - wind.direction + 180) % 360 - 180)
        if site.area == station.area and distance <= _MAX_DISTANCE and deviation <= max(_MIN_HALF_SECTOR, wind.spread):
            upwind_site = UpwindSite(id=site.id, name=site.name, bearing=round(bearing, 1), distance=round(distance))
            ranked_sites.append((deviation, upwind_site))
    return tuple(upwind_site for _, upwind_site in sorted(ranked_sites, key=lambda pair: (pair[0], pair[1].id)))


def neighbours_from_slots(
    station: Station, fresh: int, risen: int, slots: Sequence[int], registry: Registry
) -> Neighbours:
    """Return the numbers of neighbours, and the stations of the slots that rose, nearest first."""
    station_ids = dict.fromkeys(registry.datastreams[slot].station for slot in slots)
    nearest_first = sorted(
        station_ids, key=lambda station_id: (_squared_distance(station, registry.stations[station_id]), station_id)
    )
    return Neighbours(fresh=fresh, risen=risen, stations=tuple(nearest_first))


def _squared_distance(station: Station, other: Station) -> float:
    east, north = offset_metres(station.latitude, station.longitude, other.latitude, other.longitude)
    return north * north + east * east
