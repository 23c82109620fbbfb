"""What stood around an event: neighbours, the wind during it, and the facilities upwind. Pure."""

import math
from collections.abc import Sequence

from gateway.model.event import Neighbours, UpwindSite, Wind
from gateway.model.registry import Registry, Site, Station

_EARTH = 6_371_008.8  # m, mean radius (IUGG)
_SECTOR = 22.5  # degrees: half a sector is never narrower than this
_WIDEST = 60.0
_FARTHEST = 25_000.0  # m
_CALM = 0.5  # m/s: below it a vane shows nothing


def bearing_and_distance(station: Station, site: Site) -> tuple[float, float]:
    """Degrees from north and metres from the station to the site, along the great circle."""
    lat_1, lat_2 = math.radians(station.latitude), math.radians(site.latitude)
    across = math.radians(site.longitude - station.longitude)
    north = math.cos(lat_1) * math.sin(lat_2) - math.sin(lat_1) * math.cos(lat_2) * math.cos(across)
    east = math.sin(across) * math.cos(lat_2)
    along = math.sin(lat_1) * math.sin(lat_2) + math.cos(lat_1) * math.cos(lat_2) * math.cos(across)
    return math.degrees(math.atan2(east, north)) % 360, _EARTH * math.atan2(math.hypot(east, north), along)


def wind_of(east: float, north: float, speed: float, readings: int) -> Wind | None:
    """The wind from sums over `readings` unit vectors; None where there was no reading, or no wind."""
    if readings == 0 or speed / readings < _CALM:
        return None
    steady = min(math.hypot(east, north) / readings, 1.0)
    spread = math.degrees(math.sqrt(-2 * math.log(max(steady, 1e-6))))
    return Wind(
        direction=round(math.degrees(math.atan2(east, north)) % 360, 1),
        spread=round(spread, 1),
        speed=round(speed / readings, 1),
        readings=readings,
    )


def upwind(station: Station, wind: Wind | None, registry: Registry) -> tuple[UpwindSite, ...]:
    """The area's facilities in the sector the wind came from, the one most upwind first."""
    if wind is None or wind.spread > _WIDEST:
        return ()
    found = []
    for site in registry.sites:
        bearing, distance = bearing_and_distance(station, site)
        off = abs((bearing - wind.direction + 180) % 360 - 180)
        if site.area == station.area and distance <= _FARTHEST and off <= max(_SECTOR, wind.spread):
            one = UpwindSite(id=site.id, name=site.name, bearing=round(bearing, 1), distance=round(distance))
            found.append((off, one))
    return tuple(one for _, one in sorted(found, key=lambda pair: (pair[0], pair[1].id)))


def neighbours_of(station: Station, fresh: int, risen: int, slots: Sequence[int], registry: Registry) -> Neighbours:
    """Neighbours as values; slots of those that rose, as many as were noted."""
    others = dict.fromkeys(registry.datastreams[slot].station for slot in slots)
    near = sorted(others, key=lambda other: (_apart(station, registry.stations[other]), other))
    return Neighbours(fresh=fresh, risen=risen, stations=tuple(near))


def _apart(one: Station, other: Station) -> float:
    north = one.latitude - other.latitude
    east = (one.longitude - other.longitude) * math.cos(math.radians(one.latitude))
    return north * north + east * east
