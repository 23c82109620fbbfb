"""Interface of a sensor for the agent: a source of readings with its own schedule, until stopped."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from edge_agent.clock import Moment
from edge_agent.wire import ClockState


class Reading(Struct, frozen=True, kw_only=True):
    """The values of a driver at one moment.

    observed_at   ms UTC as the node believed it
    mono          CLOCK_BOOTTIME of the same moment, ms
    values        property -> raw value in the property's unit; None: the sensor gave none
    flags         property -> `wire.Flag` bits; absent is 0
    place         latitude, longitude (degrees, WGS 84), altitude (m), where the node moves
    """

    observed_at: int
    mono: int
    clock: ClockState
    values: Mapping[str, float | None]
    flags: Mapping[str, int] = {}
    position: tuple[float, float, float] | None = None


class Sensor(Protocol):
    """A source of readings. `readings` runs in a separate thread."""

    @property
    def name(self) -> str:
        """As it appears in logs and health messages."""
        ...

    @property
    def properties(self) -> Sequence[str]:
        """The properties of which it returns values."""
        ...

    @property
    def hang_timeout(self) -> float:
        """Seconds without a reading after which it hangs; infinite where it may be silent."""
        ...

    @property
    def state(self) -> str:
        """`ok`, or in words what is wrong."""
        ...

    def readings(self, stop: threading.Event) -> Iterator[Reading]:
        """Yield readings when they are due; return when `stop` is set or there are no more."""
        ...


def reading_at(
    moment: Moment,
    values: Mapping[str, float | None],
    flags: Mapping[str, int] | None = None,
    position: tuple[float, float, float] | None = None,
) -> Reading:
    """A reading taken now."""
    return Reading(
        observed_at=moment.wall,
        mono=moment.mono,
        clock=moment.clock,
        values=values,
        flags=flags or {},
        position=position,
    )


def historical_reading(
    moment: Moment, observed_at: int, values: Mapping[str, float | None], flags: Mapping[str, int] | None = None
) -> Reading:
    """A reading whose stamp is given; `mono` lies as far from now as the stamp does."""
    mono = moment.mono - (moment.wall - observed_at)
    return Reading(observed_at=observed_at, mono=mono, clock=ClockState.SYNCED, values=values, flags=flags or {})
