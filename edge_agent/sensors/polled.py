"""A driver on a schedule: when to read, what to do when it is sick, and what else to say of a reading.

Each runs in a thread of its own, so what blocks here blocks nobody else. While a sensor is sick its
readings are None with the flag `sensor_fault`: silence would look like a broken link. The ladder of
recovery climbs a rung at each failure: read again, start again, reset, and then a pause.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from enum import StrEnum

from edge_agent import clock
from edge_agent.errors import Fault, SensorFault
from edge_agent.sensor_state import Memory
from edge_agent.sensors.circumstance_flags import Circumstances, Judge
from edge_agent.sensors.driver import Cleanable, Device, Measured, Polling, SelfChecking
from edge_agent.sensors.sensor import Reading, reading_at
from edge_agent.wire import Clock, Flag

_LOG = logging.getLogger(__name__)
_LONGEST_PAUSE = 30.0
_CHECK_SECONDS = 60.0
_FRESH = 120.0  # seconds for which another sensor's humidity or place still counts


class Surroundings:
    """What the sensors of a kit tell each other: humidity, temperature, and where we are."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._air: dict[str, tuple[float, float]] = {}
        self._place: tuple[tuple[float, float, float], float] | None = None

    def tell(self, measured: Measured, now: float) -> None:
        """Note what concerns others."""
        with self._lock:
            for name in ("humidity", "temperature"):
                value = measured.values.get(name)
                if value is not None and measured.fresh:
                    self._air[name] = (value, now)
            if measured.place is not None:
                self._place = (measured.place, now)

    def latest(self, name: str, now: float) -> float | None:
        """The newest value, if it is fresh."""
        with self._lock:
            value, at = self._air.get(name, (None, -math.inf))
        return value if now - at < _FRESH else None

    def air(self) -> tuple[float | None, float | None]:
        """Humidity and temperature, for a sensor that has to know."""
        now = time.monotonic()
        return self.latest("humidity", now), self.latest("temperature", now)

    def place(self, now: float) -> tuple[float, float, float] | None:
        """Where we are, if we move and know it."""
        with self._lock:
            place, at = self._place or (None, -math.inf)
        return place if now - at < _FRESH else None


class Rung(StrEnum):
    """What to try next with a sick sensor."""

    AGAIN = "again"
    START = "start"
    RESET = "reset"


def rung(failures: int, reason: Fault) -> Rung:
    """The rung for the `failures`-th failure in a row (1, 2, ...)."""
    if reason is Fault.NOT_MEASURING:
        return Rung.START if failures % 3 else Rung.RESET
    return (Rung.AGAIN, Rung.START, Rung.RESET)[min(failures, 3) - 1]


def pause(failures: int, interval: float) -> float:
    """Seconds before the next attempt: the interval while the ladder is climbed, then longer, never more than 30 s."""
    return interval if failures <= 3 else max(interval, min(_LONGEST_PAUSE, 2.0 ** min(failures - 3, 10)))


class Polled:
    """A sensor: one driver, its schedule and its judge."""

    def __init__(
        self,
        name: str,
        device: Device,
        settings: Polling,
        *,
        surroundings: Surroundings,
        memory: Memory,
        now: Callable[[], clock.Moment] = clock.now,
    ) -> None:
        self.name, self._device, self._settings = name, device, settings
        kept = settings.properties
        self.properties = [p for p in device.ranges if kept is None or p in kept]
        self.patience = max(60.0, 5 * settings.interval_seconds)
        self._surroundings, self._memory, self._now = surroundings, memory, now
        ranges = {**device.ranges, **settings.ranges}
        self._judge = Judge(ranges=ranges, warm_up=settings.warm_up_seconds, stuck_after=settings.stuck_seconds)
        self._started_at, self._cleaning_until = -math.inf, -math.inf
        self._failures, self._running, self._retried = 0, False, False
        self._broken: str | None = None
        self._check_due = -math.inf
        self.state = "starting"

    def readings(self, stop: threading.Event) -> Iterator[Reading]:
        """A reading each interval, good or sick, until told to stop."""
        interval = self._settings.interval_seconds
        due = time.monotonic()
        while not stop.wait(max(0.0, due - time.monotonic())):
            reading = self._attempt()
            if reading.values:
                yield reading
            wait = pause(self._failures, interval) if self._failures else interval
            # on the grid, so that readings of all sensors lie together; never a burst after a delay
            due = max(due + wait, time.monotonic() + wait / 2)
        if self._running:
            self._rest()

    def _attempt(self) -> Reading:
        try:
            if not self._running:
                self._start()
            self._clean_if_due()
            measured = self._read()
            self._check_if_due()
        except SensorFault as fault:
            return self._sick(fault)
        self._failures = 0
        self.state = self._broken or "ok"
        return self._judged(measured)

    def _start(self) -> None:
        self._device.start()
        self._running, self._started_at = True, time.monotonic()

    def _read(self) -> Measured:
        """One read; after a bad checksum a second one at once, which is flagged."""
        self._retried = False
        try:
            return self._device.read()
        except SensorFault as fault:
            if fault.reason is not Fault.BAD_CHECKSUM:
                raise
            self._retried = True
            return self._device.read()

    def _judged(self, measured: Measured) -> Reading:
        now, moment = time.monotonic(), self._now()
        self._surroundings.tell(measured, now)
        seen = Circumstances(
            now=now,
            started_at=self._started_at,
            cleaning_until=self._cleaning_until,
            humidity=self._surroundings.latest("humidity", now),
            clock=moment.clock,
            retried=self._retried,
            broken=self._broken is not None,
        )
        values = {name: measured.values[name] for name in self.properties if name in measured.values}
        kept = Measured(values=values, flags=measured.flags, fresh=measured.fresh)
        return reading_at(moment, values, self._judge.flags(kept, seen), self._surroundings.place(now))

    def _sick(self, fault: SensorFault) -> Reading:
        self._failures += 1
        self.state = str(fault)
        step = rung(self._failures, fault.reason)
        if self._failures in {1, 3} or self._failures % 100 == 0:
            _LOG.warning("%s: %s (%s; failure %d, next: %s)", self.name, fault, fault.reason, self._failures, step)
        if step is not Rung.AGAIN:
            self._running = False
        if step is Rung.RESET:
            self._reset()
        moment = self._now()
        unsynced = Flag.CLOCK_UNSYNCED if moment.clock is not Clock.SYNCED else 0
        return reading_at(
            moment, dict.fromkeys(self.properties), dict.fromkeys(self.properties, Flag.SENSOR_FAULT | unsynced)
        )

    def _reset(self) -> None:
        try:
            self._device.recover()
        except SensorFault:
            return  # what is wrong was said already; starting will say it again

    def _check_if_due(self) -> None:
        """Once a minute: a worn fan or laser gives values that look like any others."""
        now = time.monotonic()
        if not isinstance(self._device, SelfChecking) or now < self._check_due:
            return
        self._check_due = now + _CHECK_SECONDS
        try:
            self._device.check()
            self._broken = None
        except SensorFault as fault:
            if fault.reason is not Fault.BROKEN:
                raise
            if self._broken is None:
                _LOG.warning("%s: %s", self.name, fault)
            self._broken = str(fault)

    def _clean_if_due(self) -> None:
        hours = getattr(self._settings, "cleaning_hours", 0.0)
        if not hours or not isinstance(self._device, Cleanable):
            return
        now = clock.now().wall / 1000
        last = self._memory.get(self.name, "cleaned_at")
        if last is None or not 0 <= now - last < hours * 3600:
            # unknown, or a clock that went back: the count begins now, the fan is not worn by guesses
            due = last is not None and now - last >= hours * 3600
            self._memory.put(self.name, "cleaned_at", now)
            if due:
                self._cleaning_until = time.monotonic() + self._device.cleaning_seconds
                self._device.clean()

    def _rest(self) -> None:
        self._running = False
        try:
            self._device.stop()
        except SensorFault as fault:
            _LOG.warning("%s: cannot be stopped: %s", self.name, fault)
