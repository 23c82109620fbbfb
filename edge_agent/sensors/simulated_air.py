"""The air of a made-up place: background, daily cycle, humidity artefact, plumes, wind, and faults of its sensor.

The simulated sensor and the demo's history take their values from here. Pure: the values follow from seed and times.
"""

import math
import random
from bisect import bisect_right
from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct

from edge_agent.sensors.driver import OPTICAL_PM

_DAY = 86_400.0
_RAMP_FRACTION = 0.15  # a plume rises and falls over this part of its length each
_WIND_SWING = 60.0  # degrees that the direction turns per unit of drift

# property -> (typical level, daily swing as a part of it, noise as a part of it, decimals reported)
LEVELS = {
    "pm1": (6.0, 0.35, 0.05, 1),
    "pm2_5": (9.0, 0.35, 0.05, 1),
    "pm4": (11.5, 0.35, 0.05, 1),
    "pm10": (15.0, 0.35, 0.06, 1),
    "voc_raw": (30_500.0, 0.004, 0.0005, 0),
    "nox_raw": (16_500.0, 0.003, 0.0005, 0),
    "voc_ppb": (60.0, 0.2, 0.04, 0),
    "co2": (430.0, 0.05, 0.004, 0),
    "temperature": (11.0, 0.35, 0.004, 2),
    "humidity": (78.0, -0.2, 0.004, 2),
    "pressure": (1013.0, 0.001, 0.0001, 1),
    "wind_speed": (5.0, 0.3, 0.12, 1),
    "wind_direction": (235.0, 0.05, 0.05, 0),
}


class SimulatedPlume(Struct, frozen=True, kw_only=True):
    """`[[sensor.plume]]`: a peak in the simulated values.

    start_seconds     time after the start of the simulation
    duration_seconds  length of the peak
    excess            property -> excess at the top, in its unit; `voc_raw` falls when VOC rises
    """

    start_seconds: Annotated[float, Meta(ge=0)]
    duration_seconds: Annotated[float, Meta(gt=0)]
    excess: dict[str, float]

    def fraction_at(self, elapsed: float) -> float:
        """Part of the excess that is there `elapsed` seconds after the world began, 0 to 1."""
        part = (elapsed - self.start_seconds) / self.duration_seconds
        return max(0.0, min(1.0, part / _RAMP_FRACTION, (1.0 - part) / _RAMP_FRACTION))


class SimulatedWind(Struct, frozen=True, kw_only=True):
    """`[[sensor.wind]]`: the wind at one moment; between two moments it turns evenly, the short way round.

    start_seconds  time after the start of the simulation
    direction      direction from which the wind blows, in degrees from north
    speed          speed in m/s
    """

    start_seconds: Annotated[float, Meta(ge=0)]
    direction: Annotated[float, Meta(ge=0, lt=360)]
    speed: Annotated[float, Meta(ge=0)]


class SimulatedFault(Struct, frozen=True, kw_only=True):
    """`[[sensor.fault]]`: a broken sensor, which repeats the values that it had when the fault began.

    start_seconds     time after the start of the simulation
    duration_seconds  length of the fault
    properties        properties whose values stand still
    """

    start_seconds: Annotated[float, Meta(ge=0)]
    duration_seconds: Annotated[float, Meta(gt=0)]
    properties: Annotated[tuple[str, ...], Meta(min_length=1)]

    def is_active(self, elapsed: float) -> bool:
        """Whether the sensor is broken `elapsed` seconds after the world began."""
        return 0.0 <= elapsed - self.start_seconds < self.duration_seconds


class SimulatedAir:
    """The air at one place; `simulate` must be called with rising times."""

    def __init__(
        self,
        properties: Sequence[str],
        *,
        seed: int = 0,
        plumes: Sequence[SimulatedPlume] = (),
        winds: Sequence[SimulatedWind] = (),
        faults: Sequence[SimulatedFault] = (),
    ) -> None:
        """`winds`: in the order of time; without any, the wind has its typical level."""
        self._properties, self._plumes, self._winds, self._faults = properties, plumes, winds, faults
        self._wind_times = [wind.start_seconds for wind in winds]
        self._random = random.Random(seed)  # noqa: S311 - weather, not secrets
        self._drift = dict.fromkeys(LEVELS, 0.0)
        self._stuck_values: dict[str, float] = {}

    def simulate(self, elapsed: float, epoch: float) -> dict[str, float | None]:
        """Return the values of the kit `elapsed` seconds after the start, at `epoch` seconds UTC."""
        plumes = [(p.excess, share) for p in self._plumes if (share := p.fraction_at(elapsed)) > 0.0]
        humidity = self._simulate_humidity(epoch, plumes)
        wind = interpolate_wind(self._winds, self._wind_times, elapsed) if self._winds else None
        values: dict[str, float | None] = {}
        for name in self._properties:
            value = self._simulate_value(name, epoch, plumes, humidity, wind)
            values[name] = round(max(0.0, value), LEVELS[name][3])
        return self._apply_faults(elapsed, values)

    def _simulate_humidity(self, epoch: float, plumes: Sequence[tuple[dict[str, float], float]]) -> float:
        excess = sum(share * plume.get("humidity", 0.0) for plume, share in plumes)
        return min(99.9, self._simulate_background("humidity", epoch) + excess)

    def _simulate_value(
        self,
        name: str,
        epoch: float,
        plumes: Sequence[tuple[dict[str, float], float]],
        humidity: float,
        wind: tuple[float, float] | None,
    ) -> float:
        if name == "humidity":
            return humidity
        if wind is not None and name in {"wind_direction", "wind_speed"}:
            return self._simulate_wind(name, *wind)
        value = self._simulate_background(name, epoch)
        for excess, share in plumes:
            if name in excess:
                value += excess[name] * share * self._random.uniform(0.92, 1.08)
        if name in OPTICAL_PM:
            value *= humidity_growth(humidity)
        return value % 360.0 if name == "wind_direction" else value

    def _simulate_wind(self, name: str, direction: float, speed: float) -> float:
        noise = LEVELS[name][2]
        drift = self._move_drift(name, noise)
        if name == "wind_direction":
            return (direction + _WIND_SWING * drift + self._random.gauss(0.0, 4.0)) % 360.0
        return speed * (1.0 + drift + self._random.gauss(0.0, noise * 0.2))

    def _simulate_background(self, name: str, epoch: float) -> float:
        level, swing, noise, _ = LEVELS[name]
        drift = self._move_drift(name, noise)
        daily = swing * math.cos(2 * math.pi * (epoch / _DAY - 15.0 / 24.0))
        return level * (1.0 + daily + drift) + self._random.gauss(0.0, level * noise * 0.2)

    def _move_drift(self, name: str, noise: float) -> float:
        drift = self._drift[name] = 0.97 * self._drift[name] + self._random.gauss(0.0, noise * 0.25)
        return drift

    def _apply_faults(self, elapsed: float, values: dict[str, float | None]) -> dict[str, float | None]:
        broken = {name for fault in self._faults if fault.is_active(elapsed) for name in fault.properties}
        self._stuck_values = {
            name: self._stuck_values.get(name, value)
            for name, value in values.items()
            if name in broken and value is not None
        }
        return {**values, **self._stuck_values}


def interpolate_wind(winds: Sequence[SimulatedWind], times: Sequence[float], elapsed: float) -> tuple[float, float]:
    """Return direction (degrees) and speed (m/s) at `elapsed`; `times`: the starts of `winds`, ascending."""
    after = bisect_right(times, elapsed)
    if after == 0 or after == len(winds):
        wind = winds[max(0, after - 1)]
        return wind.direction, wind.speed
    first, second = winds[after - 1], winds[after]
    part = (elapsed - first.start_seconds) / (second.start_seconds - first.start_seconds)
    turn = (second.direction - first.direction + 180.0) % 360.0 - 180.0
    return (first.direction + part * turn) % 360.0, first.speed + part * (second.speed - first.speed)


def humidity_growth(humidity: float, kappa: float = 0.3) -> float:
    """How much an optical counter overstates PM at this relative humidity (%), as a factor.

    Particles take up water: kappa-Koehler theory as used for low-cost counters by Crilley et al.,
    Atmos. Meas. Tech. 11, 709 (2018). Capped at 98 %, where the theory leaves its ground.
    """
    activity = min(humidity, 98.0) / 100.0
    return 1.0 + kappa / 1.65 / (1.0 / max(activity, 0.01) - 1.0)
