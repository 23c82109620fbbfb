"""The sampler: one thread a sensor, so that a hung or broken one disturbs no other."""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from edge_agent import clock
from edge_agent.reading_buffer import ReadingBuffer
from edge_agent.sensors.judgement import apply_physical_bound
from edge_agent.sensors.sensor import Reading, Sensor, reading_at
from edge_agent.wire import Flag

_LOG = logging.getLogger(__name__)
_MAX_PAUSE = 60.0
_REMIND_SECONDS = 60.0


class SensorReading(NamedTuple):
    """A reading, and the name of the sensor that gave it."""

    sensor: str
    reading: Reading


class Sampler:
    """Starts the sensors; what they read comes out of `take_readings`, in order of arrival."""

    def __init__(self, sensors: Sequence[Sensor]) -> None:
        self._readings = ReadingBuffer[SensorReading]()
        self._stop_event = threading.Event()
        self._threads = [_SensorThread(sensor, self._readings, self._stop_event) for sensor in sensors]

    @property
    def states(self) -> dict[str, str]:
        """Sensor -> `ok`, `done`, or a sentence about the fault."""
        return {thread.sensor.name: thread.state for thread in self._threads}

    @property
    def refused_counts(self) -> dict[str, dict[str, int]]:
        """Sensor -> reason -> values that were refused since the start, of sensors that refused any."""
        counts = {thread.sensor.name: getattr(thread.sensor, "refused_counts", {}) for thread in self._threads}
        return {name: dict(reasons) for name, reasons in counts.items() if reasons}

    @property
    def last_reading_at(self) -> float:
        """When any sensor last gave anything, monotonic seconds."""
        return max(thread.last_reading_at for thread in self._threads)

    def start(self) -> None:
        """Start every sensor's thread."""
        for thread in self._threads:
            thread.start()

    def take_readings(self, timeout: float, *, due_at: float = 0.0, many: int = 1) -> list[SensorReading]:
        """All readings that wait, after `timeout` seconds at most; earlier if `many` wait, or one after `due_at`.

        `due_at`: monotonic seconds.
        """
        return self._readings.take(timeout, due_at=due_at, many=many)

    def fault_readings(self, now: float) -> Iterator[SensorReading]:
        """A reading without values, flagged, for each sensor that hangs: once a minute."""
        for thread in self._threads:
            if thread.is_overdue(now):
                yield thread.build_fault_reading(now)

    @property
    def is_done(self) -> bool:
        """Whether every sensor has given all it will ever give, and all of it was taken."""
        return not any(thread.is_alive() for thread in self._threads) and not len(self._readings)

    def stop(self) -> None:
        """Stop every sensor; readings made so far can still be drained."""
        self._stop_event.set()

    def drain(self, timeout: float = 2.0) -> list[SensorReading]:
        """After `stop`: everything that was still read. A sensor that hangs is left behind."""
        readings: list[SensorReading] = []
        deadline = time.monotonic() + timeout
        while not self.is_done and time.monotonic() < deadline:
            readings += self.take_readings(0.05)
        return readings


class _SensorThread(threading.Thread):
    """One sensor's thread, which outlives whatever the sensor raises."""

    def __init__(self, sensor: Sensor, readings: ReadingBuffer[SensorReading], stop_event: threading.Event) -> None:
        super().__init__(name=sensor.name, daemon=True)
        self.sensor, self.last_reading_at = sensor, time.monotonic()
        self._readings, self._stop_event = readings, stop_event
        self._error: str | None = None
        self._reported_at = time.monotonic()
        self._finished = False

    @property
    def state(self) -> str:
        if self._finished:
            return "done"
        quiet_seconds = time.monotonic() - self.last_reading_at
        if quiet_seconds > self.sensor.hang_timeout:
            return f"it hangs: nothing for {quiet_seconds:.0f} s; unplug it or cut its power"
        return self._error or self.sensor.state

    def run(self) -> None:
        """Run until stopped or exhausted; an exception of the sensor is logged and the sensor is started again."""
        failures = 0
        while not self._stop_event.is_set():
            try:
                for reading in self.sensor.readings(self._stop_event):
                    self._error, failures = None, 0
                    self.last_reading_at = time.monotonic()
                    self._readings.put(SensorReading(self.sensor.name, apply_physical_bound(reading)))
            except Exception as error:  # noqa: BLE001 - any error: the other sensors and the spool continue
                failures += 1
                self._error = f"{type(error).__name__}: {error}"
                _LOG.exception("%s: unexpected failure; starting the sensor again", self.sensor.name)
                self._stop_event.wait(min(_MAX_PAUSE, 2.0**failures))
            else:
                self._finished = True
                break
        self._readings.wake()

    def is_overdue(self, now: float) -> bool:
        """Whether it has been silent for too long, and nobody was reminded lately."""
        is_late = self.is_alive() and now - self.last_reading_at > self.sensor.hang_timeout
        return is_late and now - self._reported_at >= _REMIND_SECONDS

    def build_fault_reading(self, now: float) -> SensorReading:
        """Return a reading with the flag `sensor_fault`, in place of a reading of the sensor."""
        self._reported_at = now
        _LOG.warning("%s: %s", self.sensor.name, self.state)
        properties = self.sensor.properties
        reading = reading_at(clock.now(), dict.fromkeys(properties), dict.fromkeys(properties, int(Flag.SENSOR_FAULT)))
        return SensorReading(self.sensor.name, reading)
