"""The sampler: one thread a sensor, so that a hung or broken one disturbs no other."""

import logging
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from edge_agent import clock
from edge_agent.sensors.sensor import Reading, Sensor, reading_at
from edge_agent.wire import Flag

_LOG = logging.getLogger(__name__)
_QUEUE = 2000
_LONGEST_PAUSE = 60.0
_REMIND_SECONDS = 60.0


class Taken(NamedTuple):
    """A reading, and the name of the sensor that gave it."""

    sensor: str
    reading: Reading


class Sampler:
    """Starts the sensors; what they read comes out of `next`, in order of arrival."""

    def __init__(self, sensors: Sequence[Sensor]) -> None:
        self._readings: queue.Queue[Taken] = queue.Queue(_QUEUE)
        self._stop = threading.Event()
        self._watched = [_Watched(sensor, self._readings, self._stop) for sensor in sensors]

    @property
    def states(self) -> dict[str, str]:
        """Sensor -> `ok`, `done`, or in words what is wrong."""
        return {watched.sensor.name: watched.state for watched in self._watched}

    @property
    def progress(self) -> float:
        """When any sensor last gave anything, monotonic seconds."""
        return max(watched.heard_at for watched in self._watched)

    def start(self) -> None:
        """Start every sensor's thread."""
        for watched in self._watched:
            watched.start()

    def next(self, timeout: float) -> Taken | None:
        """The next reading, or None when there is none within `timeout` seconds."""
        try:
            return self._readings.get(timeout=timeout) if timeout > 0 else self._readings.get_nowait()
        except queue.Empty:
            return None

    def silent(self, now: float) -> Iterator[Taken]:
        """A reading without values, flagged, for each sensor that hangs: once a minute."""
        for watched in self._watched:
            if watched.overdue(now):
                yield watched.fault(now)

    @property
    def done(self) -> bool:
        """Whether every sensor has given all it will ever give, and all of it was taken."""
        return not any(watched.is_alive() for watched in self._watched) and self._readings.empty()

    def stop(self) -> None:
        """Tell every sensor to stop; what was read can still be taken."""
        self._stop.set()

    def rest(self, patience: float = 2.0) -> list[Taken]:
        """After `stop`: everything that was still read. A sensor that hangs is left behind."""
        rest: list[Taken] = []
        until = time.monotonic() + patience
        while not self.done and time.monotonic() < until:
            taken = self.next(0.05)
            if taken is not None:
                rest.append(taken)
        return rest


class _Watched(threading.Thread):
    """One sensor's thread, which outlives whatever the sensor raises."""

    def __init__(self, sensor: Sensor, readings: "queue.Queue[Taken]", stop: threading.Event) -> None:
        super().__init__(name=sensor.name, daemon=True)
        self.sensor, self.heard_at = sensor, time.monotonic()
        self._readings, self._told = readings, stop
        self._trouble: str | None = None
        self._reminded_at = time.monotonic()
        self._done = False

    @property
    def state(self) -> str:
        if self._done:
            return "done"
        silence = time.monotonic() - self.heard_at
        if silence > self.sensor.patience:
            return f"it hangs: nothing for {silence:.0f} s; unplug it or cut its power"
        return self._trouble or self.sensor.state

    def run(self) -> None:
        """Until told to stop, or there is no more; what the sensor raises is written down and it begins again."""
        failures = 0
        while not self._told.is_set():
            try:
                for reading in self.sensor.readings(self._told):
                    self._trouble, failures = None, 0
                    self.heard_at = time.monotonic()
                    self._readings.put(Taken(self.sensor.name, reading))
            except Exception as error:  # noqa: BLE001 - whatever it is, the other sensors and the spool go on
                failures += 1
                self._trouble = f"{type(error).__name__}: {error}"
                _LOG.exception("%s fails in a way that nobody thought of; it is started again", self.sensor.name)
                self._told.wait(min(_LONGEST_PAUSE, 2.0**failures))
            else:
                self._done = True
                return

    def overdue(self, now: float) -> bool:
        """Whether it has been silent for too long, and nobody was reminded lately."""
        late = self.is_alive() and now - self.heard_at > self.sensor.patience
        return late and now - self._reminded_at >= _REMIND_SECONDS

    def fault(self, now: float) -> Taken:
        """What is said in its stead."""
        self._reminded_at = now
        _LOG.warning("%s: %s", self.sensor.name, self.state)
        names = self.sensor.properties
        reading = reading_at(clock.now(), dict.fromkeys(names), dict.fromkeys(names, int(Flag.SENSOR_FAULT)))
        return Taken(self.sensor.name, reading)
