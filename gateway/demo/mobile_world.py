"""The demo's stations that move: a car that drives around the site, and a drone over the dunes. Pure.

The car crosses a plume on each round, where the road passes the site on the lee side of the wind at the start.
"""

from collections.abc import Sequence

from edge_agent.sensors.simulated_air import SimulatedPlume
from edge_agent.sensors.simulated_route import SimulatedPlace
from gateway.demo.world import StationWorld, plume_excess
from gateway.enrolment.site_file import MobileTable
from gateway.model.geodesy import bearing_and_distance
from gateway.model.mobile_station import Vehicle

CAR = MobileTable(id="mobile-snuffelauto", name="Snuffelauto", vehicle=Vehicle.CAR, exhaust=True)
DRONE = MobileTable(id="mobile-drone", name="Drone", vehicle=Vehicle.DRONE)
_CAR_SPEED, _DRONE_SPEED = 10.0, 6.0  # m/s
_STOP_SECONDS = 20.0  # at the first place of each round, as at traffic lights
_ROUNDS = 12
_CAR_ROUND = (  # latitude, longitude: a round on invented roads
    (52.4870, 4.5980), (52.4905, 4.6050), (52.4890, 4.6180), (52.4845, 4.6300), (52.4790, 4.6395),
    (52.4735, 4.6360), (52.4700, 4.6230), (52.4690, 4.6100), (52.4760, 4.5980), (52.4870, 4.5980),
)  # fmt: skip
_DRONE_ROUND = (  # latitude, longitude, altitude
    (52.4960, 4.5850, 2.0), (52.4960, 4.5852, 60.0), (52.4990, 4.5900, 80.0), (52.4975, 4.5960, 110.0),
    (52.4940, 4.5930, 80.0), (52.4945, 4.5870, 50.0), (52.4960, 4.5850, 2.0),
)  # fmt: skip


def plan_mobile_worlds() -> list[tuple[MobileTable, StationWorld]]:
    """Return the stations that move, each with its route and its plumes."""
    car = plan_route([(*place, 1.5) for place in _CAR_ROUND], _CAR_SPEED, _STOP_SECONDS)
    drone = plan_route(_DRONE_ROUND, _DRONE_SPEED, 0.0)
    return [
        (CAR, StationWorld(places=car, plumes=_plan_plumes(car, at=2, seconds=40.0, excess=60.0))),
        (DRONE, StationWorld(places=drone, plumes=_plan_plumes(drone, at=3, seconds=25.0, excess=35.0))),
    ]


def plan_route(places: Sequence[tuple[float, float, float]], speed: float, stop_seconds: float) -> list[SimulatedPlace]:
    """Return the places (latitude, longitude, altitude) with the times of a vehicle of this speed in m/s."""
    route: list[SimulatedPlace] = []
    seconds = 0.0
    for number, (latitude, longitude, altitude) in enumerate(places):
        if route:
            last = route[-1]
            _, metres = bearing_and_distance(last.latitude, last.longitude, latitude, longitude)
            seconds += max(metres, abs(altitude - last.altitude)) / speed
        route.append(
            SimulatedPlace(start_seconds=round(seconds), latitude=latitude, longitude=longitude, altitude=altitude)
        )
        if number == 0 and stop_seconds:
            seconds += stop_seconds
            route.append(
                SimulatedPlace(start_seconds=round(seconds), latitude=latitude, longitude=longitude, altitude=altitude)
            )
    return route


def _plan_plumes(route: Sequence[SimulatedPlace], *, at: int, seconds: float, excess: float) -> list[SimulatedPlume]:
    """Return a plume on each round, met when the vehicle passes the place with this number."""
    length = route[-1].start_seconds
    return [
        SimulatedPlume(
            start_seconds=number * length + route[at].start_seconds,
            duration_seconds=seconds,
            excess=plume_excess(excess),
        )
        for number in range(_ROUNDS)
    ]
