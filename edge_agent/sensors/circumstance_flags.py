"""Flags that follow from circumstance: warming up, cleaning, humid, out of range, stuck, clock not set. Pure.

A flag never changes a value; what to make of it is the gateway's business.
"""

from collections.abc import Mapping

from msgspec import Struct

from edge_agent.sensors.driver import OPTICAL_PM, Range, RawReading
from edge_agent.wire import ClockState, Flag

HUMID = 85.0  # % RH: above it, light scattering sees water (Crilley et al., AMT 11, 709)


class Circumstances(Struct, frozen=True, kw_only=True):
    """Circumstances of a reading apart from its frame; times are monotonic seconds."""

    now: float
    started_at: float
    cleaning_until: float
    humidity: float | None
    clock: ClockState
    retried: bool
    broken: bool


class CircumstanceFlagger:
    """One sensor's judge; remembers since when each value has not moved."""

    def __init__(self, *, ranges: Mapping[str, Range], warm_up: float, stuck_after: float) -> None:
        self._ranges, self._warm_up, self._stuck_after = ranges, warm_up, stuck_after
        self._unchanged: dict[str, tuple[float | None, float]] = {}

    def compute_flags(self, reading: RawReading, circumstances: Circumstances) -> dict[str, int]:
        """Property -> flags, where there are any."""
        common = self._common_flags(reading, circumstances)
        flags = {
            name: common | reading.flags.get(name, 0) | self._value_flags(name, value, circumstances)
            for name, value in reading.values.items()
        }
        return {name: flag for name, flag in flags.items() if flag}

    def _common_flags(self, reading: RawReading, circumstances: Circumstances) -> int:
        flags = 0
        if circumstances.now - circumstances.started_at < self._warm_up:
            flags |= Flag.WARM_UP
        if circumstances.now < circumstances.cleaning_until:
            flags |= Flag.CLEANING
        if not reading.fresh:
            flags |= Flag.STALE
        if circumstances.retried:
            flags |= Flag.CHECKSUM_RETRY
        if circumstances.broken:
            flags |= Flag.SENSOR_FAULT
        if circumstances.clock is not ClockState.SYNCED:
            flags |= Flag.CLOCK_UNSYNCED
        return flags

    def _value_flags(self, name: str, value: float | None, circumstances: Circumstances) -> int:
        flags = 0
        lowest, highest = self._ranges.get(name, (float("-inf"), float("inf")))
        if value is not None and not lowest <= value <= highest:
            flags |= Flag.OUT_OF_RANGE
        if name in OPTICAL_PM and circumstances.humidity is not None and circumstances.humidity > HUMID:
            flags |= Flag.HUMIDITY
        previous, since = self._unchanged.get(name, (None, circumstances.now))
        if value is None or value != previous:
            self._unchanged[name] = (value, circumstances.now)
        elif circumstances.now - since >= self._stuck_after:
            flags |= Flag.STUCK
        return flags
