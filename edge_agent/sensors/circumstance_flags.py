"""Flags that follow from circumstance: warming up, cleaning, humid, out of range, stuck, clock not set. Pure.

A flag never changes a value; what to make of it is the gateway's business.
"""

from collections.abc import Mapping

from msgspec import Struct

from edge_agent.sensors.driver import Measured, Range
from edge_agent.wire import Clock, Flag

HUMID = 85.0  # % RH: above it, light scattering sees water (Crilley et al., AMT 11, 709)
_OPTICAL = frozenset({"pm1", "pm2_5", "pm4", "pm10"})


class Circumstances(Struct, frozen=True, kw_only=True):
    """What the sampler knows beside the frame itself; times are monotonic seconds."""

    now: float
    started_at: float
    cleaning_until: float
    humidity: float | None
    clock: Clock
    retried: bool
    broken: bool


class Judge:
    """One sensor's judge; remembers since when each value has not moved."""

    def __init__(self, *, ranges: Mapping[str, Range], warm_up: float, stuck_after: float) -> None:
        self._ranges, self._warm_up, self._stuck_after = ranges, warm_up, stuck_after
        self._still: dict[str, tuple[float | None, float]] = {}

    def flags(self, measured: Measured, seen: Circumstances) -> dict[str, int]:
        """Property -> flags, where there are any."""
        common = self._common(measured, seen)
        flags = {
            name: common | measured.flags.get(name, 0) | self._own(name, value, seen)
            for name, value in measured.values.items()
        }
        return {name: flag for name, flag in flags.items() if flag}

    def _common(self, measured: Measured, seen: Circumstances) -> int:
        flags = 0
        if seen.now - seen.started_at < self._warm_up:
            flags |= Flag.WARM_UP
        if seen.now < seen.cleaning_until:
            flags |= Flag.CLEANING
        if not measured.fresh:
            flags |= Flag.STALE
        if seen.retried:
            flags |= Flag.CHECKSUM_RETRY
        if seen.broken:
            flags |= Flag.SENSOR_FAULT
        if seen.clock is not Clock.SYNCED:
            flags |= Flag.CLOCK_UNSYNCED
        return flags

    def _own(self, name: str, value: float | None, seen: Circumstances) -> int:
        flags = 0
        lowest, highest = self._ranges.get(name, (float("-inf"), float("inf")))
        if value is not None and not lowest <= value <= highest:
            flags |= Flag.OUT_OF_RANGE
        if name in _OPTICAL and seen.humidity is not None and seen.humidity > HUMID:
            flags |= Flag.HUMIDITY
        before, since = self._still.get(name, (None, seen.now))
        if value is None or value != before:
            self._still[name] = (value, seen.now)
        elif seen.now - since >= self._stuck_after:
            flags |= Flag.STUCK
        return flags
