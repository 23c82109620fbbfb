"""Context of an event: neighbours, wind, and the facilities upwind. Pure."""

import math
from collections.abc import Sequence

from msgspec import structs

from gateway.detection.kernels.corroboration import CALM_SPEED, MIN_RESULTANT
from gateway.model.event import Neighbours, UpwindSite, Wind
from gateway.model.geodesy import bearing_and_distance, bearing_degrees, offset_metres
from gateway.model.registry import Registry, Station

_MIN_HALF_SECTOR = 22.5  # degrees; half of the narrowest sector
_MAX_DISTANCE = 25_000.0  # m


def wind_from_sums(east: float, north: float, speed: float, readings: int) -> Wind | None:
    """Return the wind from sums over `readings` unit vectors.

    None without a reading, in calm air (below 0.5 m/s) and in variable wind (a spread above 60 degrees).
    """
    if readings == 0 or speed < CALM_SPEED * readings:
        return None
    resultant_length = min(math.hypot(east, north) / readings, 1.0)
    if resultant_length < MIN_RESULTANT:
        return None
    spread = math.degrees(math.sqrt(abs(2 * math.log(resultant_length))))
    return Wind(
        direction=round(bearing_degrees(east, north), 1),
        spread=round(spread, 1),
        speed=round(speed / readings, 1),
        readings=readings,
    )


def find_upwind_sites(station: Station, wind: Wind | None, registry: Registry) -> tuple[UpwindSite, ...]:
    """Return the area's facilities in the sector that the wind came from, the most upwind first."""
    if wind is None:
        return ()
    ranked_sites = []
    for site in registry.sites:
        bearing, distance = bearing_and_distance(station.latitude, station.longitude, site.latitude, site.longitude)
        deviation = abs((bearing - wind.direction + 180) % 360 - 180)
        if site.area == station.area and distance <= _MAX_DISTANCE and deviation <= max(_MIN_HALF_SECTOR, wind.spread):
            upwind_site = UpwindSite(id=site.id, name=site.name, bearing=round(bearing, 1), distance=round(distance))
            ranked_sites.append((deviation, upwind_site))
    return tuple(upwind_site for _, upwind_site in sorted(ranked_sites, key=lambda pair: (pair[0], pair[1].id)))


def neighbours_from_slots(station: Station, counts: Neighbours, slots: Sequence[int], registry: Registry) -> Neighbours:
    """Return the counts of neighbours with the stations of the slots that rose, nearest first."""
    station_ids = dict.fromkeys(registry.datastreams[slot].station for slot in slots)
    nearest_first = sorted(
        station_ids, key=lambda station_id: (_squared_distance(station, registry.stations[station_id]), station_id)
    )
    return structs.replace(counts, stations=tuple(nearest_first))


def _squared_distance(station: Station, other: Station) -> float:
    east, north = offset_metres(station.latitude, station.longitude, other.latitude, other.longitude)
    return north * north + east * east
