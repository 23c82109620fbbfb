"""The demo's world: what the site emits, the wind that carries it, and what each station measures of it. Pure.

Nodes simulate the air of their stations with these plumes and this wind, so that a peak comes from the facility that
the page names.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from edge_agent.sensors.simulated_air import SimulatedFault, SimulatedPlume, SimulatedWind, interpolate_wind
from edge_agent.sensors.simulated_route import SimulatedPlace
from gateway.enrolment.site_file import SiteTable, StationTable
from gateway.model.geodesy import bearing_and_distance

PROPERTIES = (
    "pm1",
    "pm2_5",
    "pm4",
    "pm10",
    "voc_raw",
    "nox_raw",
    "temperature",
    "humidity",
    "wind_speed",
    "wind_direction",
)
_SHARES = {"pm1": 0.6, "pm2_5": 1.0, "pm4": 1.3, "pm10": 2.0, "voc_raw": -25.0}  # SRAW ticks fall when VOC rises
_REFERENCE_METRES = 1_500.0  # at which an emission has its nominal excess
_PLUME_WIDTH = 13.0  # degrees: the excess falls to 61 % so far from the axis
_LEAST_EXCESS = 2.0  # ug/m3 of PM2.5; a smaller share of a plume is left out
_SPREAD_METRES = 6_000.0  # way on which a plume doubles its length


@dataclass(frozen=True, kw_only=True)
class Emission:
    """One emission of the site; `start_seconds` counts from the world's beginning, or before it if negative.

    excess  PM2.5 in ug/m3 at 1,500 m, straight downwind
    """

    start_seconds: float
    duration_seconds: float
    excess: float


@dataclass(frozen=True, kw_only=True)
class StationWorld:
    """Plumes, wind and faults at one station, in seconds since the world's beginning; `places`: if it moves."""

    plumes: Sequence[SimulatedPlume] = ()
    winds: Sequence[SimulatedWind] = ()
    faults: Sequence[SimulatedFault] = field(default=())
    places: Sequence[SimulatedPlace] = ()


def plume_excess(pm2_5: float) -> dict[str, float]:
    """Return the excess of each property that a plume with this excess of PM2.5 has."""
    return {name: round(share * pm2_5, 1) for name, share in _SHARES.items()}


def carry_plume(
    emission: Emission, site: SiteTable, station: StationTable, winds: Sequence[SimulatedWind]
) -> SimulatedPlume | None:
    """Return what arrives at the station, or None: it lies beside the plume, or that passed before the world began.

    The excess falls with the distance, and beside the axis as a normal distribution.
    """
    times = [wind.start_seconds for wind in winds]
    direction, speed = interpolate_wind(winds, times, max(0.0, emission.start_seconds))
    bearing, metres = bearing_and_distance(site.latitude, site.longitude, station.latitude, station.longitude)
    beside = (bearing - direction + 360.0) % 360.0 - 180.0
    share = math.exp(-0.5 * (beside / _PLUME_WIDTH) ** 2) * min(1.4, (_REFERENCE_METRES / metres) ** 0.7)
    start = emission.start_seconds + metres / speed
    if share * emission.excess < _LEAST_EXCESS or start < 0.0:
        return None
    return SimulatedPlume(
        start_seconds=round(start),
        duration_seconds=round(emission.duration_seconds * (1 + metres / _SPREAD_METRES)),
        excess=plume_excess(share * emission.excess),
    )


def carry_plumes(
    emissions: Sequence[Emission], site: SiteTable, station: StationTable, winds: Sequence[SimulatedWind]
) -> list[SimulatedPlume]:
    """Return all that arrives at the station, in the order of the emissions."""
    plumes = (carry_plume(emission, site, station, winds) for emission in emissions)
    return [plume for plume in plumes if plume is not None]
