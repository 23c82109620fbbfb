"""The demo's world from its start on: a short emission every 150 s, while a front turns the wind. Pure.

The wind blows from the site to Wijk aan Zee first, so that a peak comes within a minute; then it veers past Heemskerk,
Beverwijk and Velsen to IJmuiden.
"""

import random
from collections.abc import Sequence

from edge_agent.sensors.simulated_air import SimulatedWind
from gateway.demo.world import Emission, StationWorld, carry_plumes
from gateway.enrolment.site_file import SiteTable, StationTable
from gateway.model.geodesy import bearing_and_distance

WIND_AT_START = (160.0, 6.0)  # degrees, m/s: from the site to Wijk aan Zee
_FIRST_PLUME_SECONDS = 28  # until it reaches the first station: after the detector's warm-up of 24 readings
_INTERVAL_SECONDS = 150
_DURATION_SECONDS = 24
_EMISSIONS = 48  # two hours of them
_EMISSIONS_BEFORE = 8  # that are on their way when the world begins
_EXCESS = (30.0, 70.0)  # ug/m3
_FRONT = ((0, WIND_AT_START), (600, WIND_AT_START), (1_200, (215.0, 6.0)), (1_800, (262.0, 7.0)), (3_600, (345.0, 7.0)))


def plan_live_world(stations: Sequence[StationTable], site: SiteTable, seed: int) -> list[StationWorld]:
    """Return what the air of each station does; the same for the same seed."""
    winds = [
        SimulatedWind(start_seconds=start, direction=direction, speed=speed) for start, (direction, speed) in _FRONT
    ]
    emissions = _plan_emissions(stations[0], site, seed)
    return [StationWorld(plumes=carry_plumes(emissions, site, station, winds), winds=winds) for station in stations]


def _plan_emissions(first: StationTable, site: SiteTable, seed: int) -> list[Emission]:
    rng = random.Random(seed)  # noqa: S311 - a fixed play, no secret
    _, metres = bearing_and_distance(site.latitude, site.longitude, first.latitude, first.longitude)
    start = _FIRST_PLUME_SECONDS - metres / WIND_AT_START[1]
    return [
        Emission(
            start_seconds=start + number * _INTERVAL_SECONDS,
            duration_seconds=_DURATION_SECONDS,
            excess=rng.uniform(*_EXCESS),
        )
        for number in range(-_EMISSIONS_BEFORE, _EMISSIONS)
    ]
