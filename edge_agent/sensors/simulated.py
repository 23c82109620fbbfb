"""A made-up place whose truth is known: background, daily cycle, humidity artefact, plumes.

For demonstrations and for tests of everything behind it. The world is a pure function of seed and
time, up to the noise; a separate truth file records what each plume added, and when.
"""

import math
import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from edge_agent import clock
from edge_agent.configuration import ConfigurationError
from edge_agent.sensors.driver import OPTICAL_PM
from edge_agent.sensors.sensor import Reading, historical_reading, reading_at

_DAY = 86_400.0
_RAMP_FRACTION = 0.15  # a plume rises and falls over this part of its length each

# property -> (typical level, daily swing as a part of it, noise as a part of it, decimals reported)
_LEVELS = {
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


class SimulatedSettings(Struct, frozen=True, kw_only=True, tag_field="driver", tag="simulated"):
    """`driver = "simulated"`: made-up values for demos and tests.

    properties        properties to simulate
    seed              seed of the random numbers
    interval_seconds  time between readings
    start             "now" or RFC 3339: a start in the past runs at `speed` until it has caught up
    speed             speed of the simulated time; 0: as fast as possible
    until             end of the simulation, RFC 3339; without it: never
    truth             file for the plumes that were added
    plume             peaks
    """

    properties: Annotated[tuple[str, ...], Meta(min_length=1)] = ("pm1", "pm2_5", "pm4", "pm10", "humidity")
    seed: int = 0
    interval_seconds: Annotated[float, Meta(gt=0)] = 1.0
    start: str = "now"
    speed: Annotated[float, Meta(ge=0)] = 1.0
    until: str | None = None
    truth: Path | None = None
    plume: list[SimulatedPlume] = []

    def __post_init__(self) -> None:
        names = [("properties", p) for p in self.properties]
        names += [("plume.excess", p) for plume in self.plume for p in plume.excess]
        for key, name in names:
            if name not in _LEVELS:
                raise ValueError(f"{key}: the simulated sensor knows no {name!r}; it knows {', '.join(_LEVELS)}")

    def create_sensor(self) -> "SimulatedSensor":
        """The sensor; its truth file is written at once."""
        return SimulatedSensor(self)


class SimulatedAir:
    """The air at one place: `values(elapsed, epoch)` must be called with rising times."""

    def __init__(self, settings: SimulatedSettings) -> None:
        self._settings = settings
        self._random = random.Random(settings.seed)  # noqa: S311 - weather, not secrets
        self._drift = dict.fromkeys(_LEVELS, 0.0)

    def simulate(self, elapsed: float, epoch: float) -> dict[str, float | None]:
        """Return the values of the kit `elapsed` seconds after the start, at `epoch` seconds UTC."""
        humidity = self._simulate_humidity(epoch)
        return {name: self._simulate_value(name, elapsed, epoch, humidity) for name in self._settings.properties}

    def _simulate_humidity(self, epoch: float) -> float:
        level, swing, noise, _ = _LEVELS["humidity"]
        return min(99.9, self._simulate_background("humidity", level, swing, noise, epoch))

    def _simulate_value(self, name: str, elapsed: float, epoch: float, humidity: float) -> float:
        level, swing, noise, decimals = _LEVELS[name]
        if name == "humidity":
            return round(humidity, decimals)
        value = self._simulate_background(name, level, swing, noise, epoch)
        for plume in self._settings.plume:
            if name in plume.excess:
                value += plume.excess[name] * plume.fraction_at(elapsed) * self._random.uniform(0.92, 1.08)
        if name in OPTICAL_PM:
            value *= humidity_growth(humidity)
        if name == "wind_direction":
            value %= 360.0
        return round(max(0.0, value), decimals)

    def _simulate_background(self, name: str, level: float, swing: float, noise: float, epoch: float) -> float:
        self._drift[name] = 0.97 * self._drift[name] + self._random.gauss(0.0, noise * 0.25)
        daily = swing * math.cos(2 * math.pi * (epoch / _DAY - 15.0 / 24.0))
        return level * (1.0 + daily + self._drift[name]) + self._random.gauss(0.0, level * noise * 0.2)


def humidity_growth(humidity: float, kappa: float = 0.3) -> float:
    """How much an optical counter overstates PM at this relative humidity (%), as a factor.

    Particles take up water: kappa-Koehler theory as used for low-cost counters by Crilley et al.,
    Atmos. Meas. Tech. 11, 709 (2018). Capped at 98 %, where the theory leaves its ground.
    """
    activity = min(humidity, 98.0) / 100.0
    return 1.0 + kappa / 1.65 / (1.0 / max(activity, 0.01) - 1.0)


class SimulatedSensor:
    """The sensor around the world: when to tick, and what to stamp."""

    def __init__(self, settings: SimulatedSettings) -> None:
        self.name, self.state = "simulated", "ok"
        self.properties, self.hang_timeout = settings.properties, math.inf
        self._settings = settings
        self._follows_clock = settings.start == "now"
        self._start = clock.now().wall / 1000 if self._follows_clock else _parse_epoch(settings.start, "start")
        self._end = math.inf if settings.until is None else _parse_epoch(settings.until, "until")
        self._air = SimulatedAir(settings)
        if settings.truth is not None:
            _write_truth(settings.truth, settings.plume, self._start)

    def readings(self, stop: threading.Event) -> Iterator[Reading]:
        """Tick by tick; a start in the past runs at `speed` until it has caught up with the clock."""
        interval = self._settings.interval_seconds
        tick, started = 0, clock.now().mono / 1000
        while (simulated_time := self._start + tick * interval) <= self._end:
            speed = 1.0 if self._follows_clock else self._settings.speed
            due = started + tick * interval / speed if speed else 0.0
            if stop.wait(max(0.0, due - clock.now().mono / 1000)):
                return
            moment = clock.now()
            if not self._follows_clock and simulated_time * 1000 >= moment.wall:
                self._follows_clock, started = True, moment.mono / 1000 - tick * interval
            values = self._air.simulate(simulated_time - self._start, simulated_time)
            stamp = round(simulated_time * 1000)
            yield reading_at(moment, values) if self._follows_clock else historical_reading(moment, stamp, values)
            tick += 1
            if self._follows_clock:  # a stall leaves a gap, as with a real sensor, and not a burst with one time
                tick = max(tick, math.ceil((clock.now().mono / 1000 - started) / interval))


def _parse_epoch(text: str, key: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"{key} = {text!r} of a simulated sensor: neither RFC 3339 nor 'now'") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _write_truth(path: Path, plumes: list[SimulatedPlume], start: float) -> None:
    truth = [
        {
            "property": name,
            "onset": datetime.fromtimestamp(start + plume.start_seconds, UTC).isoformat(),
            "end": datetime.fromtimestamp(start + plume.start_seconds + plume.duration_seconds, UTC).isoformat(),
            "excess": excess,
        }
        for plume in plumes
        for name, excess in plume.excess.items()
    ]
    try:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(truth)) + b"\n")
    except OSError as error:
        raise ConfigurationError(f"the truth file {path} cannot be written: {error.strerror}") from None
