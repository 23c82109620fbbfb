"""Flags that follow from circumstance: warming up, cleaning, humid, stuck, clock not set. Pure.

A flag never changes a value; what to make of it is the gateway's business. Ranges and sentinels: `judgement`.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from edge_agent.sensors.driver import OPTICAL_PM, RawReading
from edge_agent.wire import ClockState, Flag

HUMID = 85.0  # % RH: above it, light scattering sees water (Crilley et al., AMT 11, 709)


class Circumstances(Struct, frozen=True, kw_only=True):
    """Circumstances of a reading apart from its frame; times are monotonic seconds."""

    now: float
    started_at: float
    cleaning_until: float
    clock: ClockState
    retried: bool
    broken: bool


class CircumstanceFlagger:
    """The circumstances of one sensor; remembers since when each value has not moved.

    settling     property -> seconds after a start until its values can be used
    stuck_after  seconds after which a value that has not moved is flagged
    """

    def __init__(self, *, settling: Mapping[str, float], stuck_after: float) -> None:
        self._settling, self._stuck_after = settling, stuck_after
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
        if circumstances.now - circumstances.started_at < self._settling.get(name, 0.0):
            flags |= Flag.WARM_UP
        previous, since = self._unchanged.get(name, (None, circumstances.now))
        if value is None or value != previous:
            self._unchanged[name] = (value, circumstances.now)
        elif circumstances.now - since >= self._stuck_after:
            flags |= Flag.STUCK
        return flags


def add_humidity_flags(names: Iterable[str], flags: Mapping[str, int], humidity: float | None) -> dict[str, int]:
    """The flags, with HUMIDITY on every optical particulate property if the ambient air (% RH) is too humid for it.

    The properties of a second instrument, such as pm2_5_sds011, are optical too.
    """
    flagged = dict(flags)
    if humidity is not None and humidity > HUMID:
        for name in names:
            if name.startswith(OPTICAL_PM):
                flagged[name] = flagged.get(name, 0) | Flag.HUMIDITY
    return flagged
