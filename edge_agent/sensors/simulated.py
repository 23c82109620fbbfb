"""A made-up place whose truth is known: background, daily cycle, humidity artefact, plumes.

For demonstrations and for tests of everything behind it. The world is a pure function of seed and
time, up to the noise; a separate truth file records what each plume added, and when.
"""

import math
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from edge_agent import clock
from edge_agent.configuration import ConfigurationError
from edge_agent.sensors.sensor import Reading, historical_reading, reading_at
from edge_agent.sensors.simulated_air import LEVELS, SimulatedAir, SimulatedFault, SimulatedPlume, SimulatedWind
from edge_agent.sensors.simulated_route import SimulatedPlace, interpolate_place


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
    wind              the wind, in the order of time; without it: its typical level
    fault             times at which the sensor is broken
    place             places of a moving node, in the order of time; after the last one it begins again
    """

    properties: Annotated[tuple[str, ...], Meta(min_length=1)] = ("pm1", "pm2_5", "pm4", "pm10", "humidity")
    seed: int = 0
    interval_seconds: Annotated[float, Meta(gt=0)] = 1.0
    start: str = "now"
    speed: Annotated[float, Meta(ge=0)] = 1.0
    until: str | None = None
    truth: Path | None = None
    plume: list[SimulatedPlume] = []
    wind: list[SimulatedWind] = []
    fault: list[SimulatedFault] = []
    place: list[SimulatedPlace] = []

    def __post_init__(self) -> None:
        names = [("properties", p) for p in self.properties]
        names += [("plume.excess", p) for plume in self.plume for p in plume.excess]
        names += [("fault.properties", p) for fault in self.fault for p in fault.properties]
        for key, name in names:
            if name not in LEVELS:
                raise ValueError(f"{key}: the simulated sensor knows no {name!r}; it knows {', '.join(LEVELS)}")
        times = [wind.start_seconds for wind in self.wind]
        if any(later <= earlier for earlier, later in pairwise(times)):
            raise ValueError("wind: give the entries in the order of `start_seconds`, each time once")
        times = [place.start_seconds for place in self.place]
        if any(later <= earlier for earlier, later in pairwise(times)):
            raise ValueError("place: give the entries in the order of `start_seconds`, each time once")

    def create_sensor(self) -> "SimulatedSensor":
        """The sensor; its truth file is written at once."""
        return SimulatedSensor(self)


class SimulatedSensor:
    """The sensor around the world: when to tick, and what to stamp."""

    def __init__(self, settings: SimulatedSettings) -> None:
        self.name, self.state = "simulated", "ok"
        self.properties, self.hang_timeout = settings.properties, math.inf
        self._settings = settings
        self._follows_clock = settings.start == "now"
        self._start = clock.now().wall / 1000 if self._follows_clock else _parse_epoch(settings.start, "start")
        self._end = math.inf if settings.until is None else _parse_epoch(settings.until, "until")
        self._air = SimulatedAir(
            settings.properties, seed=settings.seed, plumes=settings.plume, winds=settings.wind, faults=settings.fault
        )
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
            reading = (
                reading_at(moment, values)
                if self._follows_clock
                else historical_reading(moment, round(simulated_time * 1000), values)
            )
            position = interpolate_place(self._settings.place, simulated_time - self._start)
            yield reading if position is None else msgspec.structs.replace(reading, position=position)
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
