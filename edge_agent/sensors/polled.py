"""A driver on a schedule: when to read, how to recover a faulty sensor, and which circumstances to flag.

Each runs in a separate thread, so that a blocked sensor blocks no other. While a sensor is faulty its readings are None
with the flag `sensor_fault`: no readings at all would look like a broken link. Recovery escalates with each failure:
read again, start again, reset, then pause.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from enum import StrEnum

from edge_agent import clock
from edge_agent.errors import Fault, SensorError
from edge_agent.sensor_state import SensorState
from edge_agent.sensors.circumstance_flags import CircumstanceFlagger, Circumstances
from edge_agent.sensors.driver import Cleanable, Driver, PollingSettings, RawReading, SelfChecking
from edge_agent.sensors.sensor import Reading, reading_at
from edge_agent.wire import ClockState, Flag

_LOG = logging.getLogger(__name__)
_MAX_PAUSE = 30.0
_CHECK_SECONDS = 60.0
_FRESH_SECONDS = 120.0  # seconds for which another sensor's humidity or place still counts


class SharedConditions:
    """Values that the sensors of a kit share: humidity, temperature and position."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest_values: dict[str, tuple[float, float]] = {}
        self._position: tuple[tuple[float, float, float], float] | None = None

    def update(self, reading: RawReading, now: float) -> None:
        """Note what concerns others."""
        with self._lock:
            for name in ("humidity", "temperature"):
                value = reading.values.get(name)
                if value is not None and reading.fresh:
                    self._latest_values[name] = (value, now)
            if reading.position is not None:
                self._position = (reading.position, now)

    def latest(self, name: str, now: float) -> float | None:
        """The newest value, if it is fresh."""
        with self._lock:
            value, at = self._latest_values.get(name, (None, -math.inf))
        return value if now - at < _FRESH_SECONDS else None

    def humidity_and_temperature(self) -> tuple[float | None, float | None]:
        """Humidity and temperature, for a sensor that has to know."""
        now = time.monotonic()
        return self.latest("humidity", now), self.latest("temperature", now)

    def position(self, now: float) -> tuple[float, float, float] | None:
        """The position of a mobile node, if it is known."""
        with self._lock:
            position, at = self._position or (None, -math.inf)
        return position if now - at < _FRESH_SECONDS else None


class RecoveryStep(StrEnum):
    """Next step to recover a faulty sensor."""

    READ_AGAIN = "again"
    RESTART = "start"
    RESET = "reset"


def recovery_step(failures: int, reason: Fault) -> RecoveryStep:
    """The rung for the `failures`-th failure in a row (1, 2, ...)."""
    if reason is Fault.NOT_MEASURING:
        return RecoveryStep.RESTART if failures % 3 else RecoveryStep.RESET
    return (RecoveryStep.READ_AGAIN, RecoveryStep.RESTART, RecoveryStep.RESET)[min(failures, 3) - 1]


def retry_pause(failures: int, interval: float) -> float:
    """Seconds before the next attempt: the interval while the ladder is climbed, then longer, never more than 30 s."""
    return interval if failures <= 3 else max(interval, min(_MAX_PAUSE, 2.0 ** min(failures - 3, 10)))


class PolledSensor:
    """A sensor: one driver, its schedule and its judge."""

    def __init__(
        self,
        name: str,
        driver: Driver,
        settings: PollingSettings,
        *,
        conditions: SharedConditions,
        sensor_state: SensorState,
        now: Callable[[], clock.Moment] = clock.now,
    ) -> None:
        self.name, self._driver, self._settings = name, driver, settings
        selected = settings.properties
        self.properties = [p for p in driver.ranges if selected is None or p in selected]
        self.hang_timeout = max(60.0, 5 * settings.interval_seconds)
        self._conditions, self._sensor_state, self._now = conditions, sensor_state, now
        ranges = {**driver.ranges, **settings.ranges}
        self._flagger = CircumstanceFlagger(
            ranges=ranges, warm_up=settings.warm_up_seconds, stuck_after=settings.stuck_seconds
        )
        self._started_at, self._cleaning_until = -math.inf, -math.inf
        self._failures, self._running, self._retried = 0, False, False
        self._broken: str | None = None
        self._check_due = -math.inf
        self.state = "starting"

    def readings(self, stop: threading.Event) -> Iterator[Reading]:
        """Yield one reading per interval, valid or faulty, until stopped."""
        interval = self._settings.interval_seconds
        due = time.monotonic()
        while not stop.wait(max(0.0, due - time.monotonic())):
            reading = self._take_reading()
            if reading.values:
                yield reading
            wait = retry_pause(self._failures, interval) if self._failures else interval
            # on the grid, so that readings of all sensors lie together; never a burst after a delay
            due = max(due + wait, time.monotonic() + wait / 2)
        if self._running:
            self._stop_driver()

    def _take_reading(self) -> Reading:
        try:
            if not self._running:
                self._start_driver()
            self._clean_if_due()
            raw = self._read_driver()
            self._check_if_due()
        except SensorError as fault:
            return self._build_fault_reading(fault)
        self._failures = 0
        self.state = self._broken or "ok"
        return self._build_reading(raw)

    def _start_driver(self) -> None:
        self._driver.start()
        self._running, self._started_at = True, time.monotonic()

    def _read_driver(self) -> RawReading:
        """One read; after a bad checksum a second one at once, which is flagged."""
        self._retried = False
        try:
            return self._driver.read()
        except SensorError as fault:
            if fault.reason is not Fault.BAD_CHECKSUM:
                raise
            self._retried = True
            return self._driver.read()

    def _build_reading(self, raw: RawReading) -> Reading:
        now, moment = time.monotonic(), self._now()
        self._conditions.update(raw, now)
        circumstances = Circumstances(
            now=now,
            started_at=self._started_at,
            cleaning_until=self._cleaning_until,
            humidity=self._conditions.latest("humidity", now),
            clock=moment.clock,
            retried=self._retried,
            broken=self._broken is not None,
        )
        values = {name: raw.values[name] for name in self.properties if name in raw.values}
        selected = RawReading(values=values, flags=raw.flags, fresh=raw.fresh)
        flags = self._flagger.compute_flags(selected, circumstances)
        return reading_at(moment, values, flags, self._conditions.position(now))

    def _build_fault_reading(self, fault: SensorError) -> Reading:
        self._failures += 1
        self.state = str(fault)
        step = recovery_step(self._failures, fault.reason)
        if self._failures in {1, 3} or self._failures % 100 == 0:
            _LOG.warning("%s: %s (%s; failure %d, next: %s)", self.name, fault, fault.reason, self._failures, step)
        if step is not RecoveryStep.READ_AGAIN:
            self._running = False
        if step is RecoveryStep.RESET:
            self._recover_driver()
        moment = self._now()
        unsynced = Flag.CLOCK_UNSYNCED if moment.clock is not ClockState.SYNCED else 0
        return reading_at(
            moment, dict.fromkeys(self.properties), dict.fromkeys(self.properties, Flag.SENSOR_FAULT | unsynced)
        )

    def _recover_driver(self) -> None:
        try:
            self._driver.recover()
        except SensorError:
            return  # the fault was logged already; starting will log it again

    def _check_if_due(self) -> None:
        """Once a minute: a worn fan or laser gives values that look like any others."""
        now = time.monotonic()
        if not isinstance(self._driver, SelfChecking) or now < self._check_due:
            return
        self._check_due = now + _CHECK_SECONDS
        try:
            self._driver.check()
            self._broken = None
        except SensorError as fault:
            if fault.reason is not Fault.BROKEN:
                raise
            if self._broken is None:
                _LOG.warning("%s: %s", self.name, fault)
            self._broken = str(fault)

    def _clean_if_due(self) -> None:
        hours = getattr(self._settings, "cleaning_hours", 0.0)
        if not hours or not isinstance(self._driver, Cleanable):
            return
        now = clock.now().wall / 1000
        last = self._sensor_state.get(self.name, "cleaned_at")
        if last is None or not 0 <= now - last < hours * 3600:
            # unknown, or a clock that went back: the count begins now, the fan is not worn by guesses
            due = last is not None and now - last >= hours * 3600
            self._sensor_state.put(self.name, "cleaned_at", now)
            if due:
                self._cleaning_until = time.monotonic() + self._driver.cleaning_seconds
                self._driver.clean()

    def _stop_driver(self) -> None:
        self._running = False
        try:
            self._driver.stop()
        except SensorError as fault:
            _LOG.warning("%s: cannot be stopped: %s", self.name, fault)
