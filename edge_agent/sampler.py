"""The sampler: one thread a sensor, so that a hung or broken one disturbs no other."""

import logging
import queue
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

from edge_agent.sensors.sensor import Reading, Sensor

_LOG = logging.getLogger(__name__)
_QUEUE = 2000
_LONGEST_PAUSE = 60.0


class Taken(NamedTuple):
    """A reading, and the name of the sensor that gave it."""

    sensor: str
    reading: Reading


class Sampler:
    """Starts the sensors; what they read comes out of `next`, in order of arrival."""

    def __init__(self, sensors: Sequence[Sensor]) -> None:
        self.states = {sensor.name: "starting" for sensor in sensors}
        self._readings: queue.Queue[Taken] = queue.Queue(_QUEUE)
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._watch, args=(sensor,), name=sensor.name, daemon=True) for sensor in sensors
        ]

    def start(self) -> None:
        """Start every sensor's thread."""
        for thread in self._threads:
            thread.start()

    def next(self, timeout: float) -> Taken | None:
        """The next reading, or None when there is none within `timeout` seconds."""
        try:
            return self._readings.get(timeout=max(0.0, timeout)) if timeout > 0 else self._readings.get_nowait()
        except queue.Empty:
            return None

    @property
    def done(self) -> bool:
        """Whether every sensor has given all it will ever give, and all of it was taken."""
        return not any(thread.is_alive() for thread in self._threads) and self._readings.empty()

    def stop(self) -> None:
        """Tell every sensor to stop; what was read can still be taken."""
        self._stop.set()

    def _watch(self, sensor: Sensor) -> None:
        """Keep one sensor going: what it raises is written down, and it is started again, more slowly each time."""
        failures = 0
        while not self._stop.is_set():
            try:
                for reading in sensor.readings(self._stop):
                    self.states[sensor.name], failures = "ok", 0
                    if not self._put(Taken(sensor.name, reading)):
                        return
            except Exception as error:  # noqa: BLE001 - whatever it is, the other sensors and the spool go on
                failures += 1
                self.states[sensor.name] = str(error) or type(error).__name__
                _LOG.warning("%s: %s", sensor.name, self.states[sensor.name])
                self._stop.wait(min(_LONGEST_PAUSE, 2.0**failures))
            else:
                self.states[sensor.name] = "done"
                return

    def _put(self, taken: Taken) -> bool:
        """Wait for a place in the queue; a reading that was taken is not dropped because we stop."""
        while True:
            try:
                self._readings.put(taken, timeout=0.5)
            except queue.Full:
                if self._stop.is_set() and not threading.main_thread().is_alive():
                    return False
            else:
                return True

    def rest(self, patience: float = 2.0) -> list[Taken]:
        """After `stop`: everything that was still read. A sensor that hangs is left behind."""
        rest: list[Taken] = []
        until = time.monotonic() + patience
        while not self.done and time.monotonic() < until:
            taken = self.next(0.05)
            if taken is not None:
                rest.append(taken)
        return rest
