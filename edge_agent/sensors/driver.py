"""What a driver is: starts, reads, stops, recovers; knows nothing of time, flags by circumstance or other sensors."""

from collections.abc import Mapping
from typing import Annotated, Protocol, runtime_checkable

from msgspec import Meta, Struct

Range = tuple[float, float]


class RawReading(Struct, frozen=True, kw_only=True):
    """What one read gave.

    values   property -> raw value; None where the sensor says that it does not know
    flags    property -> `wire.Flag` bits that follow from the frame or the kind of sensor
    fresh    False: the sensor had nothing new and repeated itself
    place    latitude, longitude (degrees, WGS 84) and altitude (m), from a sensor that knows where it is
    """

    values: Mapping[str, float | None]
    flags: Mapping[str, int] = {}
    fresh: bool = True
    position: tuple[float, float, float] | None = None


class Driver(Protocol):
    """One physical sensor. Every method may raise SensorFault."""

    @property
    def ranges(self) -> Mapping[str, Range]:
        """Property -> what the sensor can truly measure, in the property's unit."""
        ...

    def start(self) -> None:
        """Check that it is what it should be, and begin to measure; also after a brown-out."""
        ...

    def read(self) -> RawReading:
        """The newest values."""
        ...

    def recover(self) -> None:
        """What helps when starting again does not: a reset, a port opened anew."""
        ...

    def stop(self) -> None:
        """Leave it idle."""
        ...


@runtime_checkable
class SelfChecking(Protocol):
    """A device that knows of its own broken parts."""

    def check(self) -> None:
        """SensorFault(BROKEN) names them; its readings are kept, and flagged."""
        ...


@runtime_checkable
class Cleanable(Protocol):
    """A device with a fan that can be cleaned; not measuring meanwhile."""

    cleaning_seconds: float

    def clean(self) -> None:
        """Begin a cleaning, which ends by itself."""
        ...


class PollingSettings(Struct, frozen=True, kw_only=True):
    """What every polled sensor can be told.

    name              as it appears in logs and health messages; default: the driver and where it sits
    interval_seconds  a reading each so often
    warm_up_seconds   readings are flagged for so long after a start
    properties        keep only these (where two sensors know the same)
    ranges            property -> [lowest, highest] beyond which a value is flagged, narrower than the sensor's own
    stuck_seconds     a value that has not changed for so long is flagged
    """

    name: str | None = None
    interval_seconds: Annotated[float, Meta(ge=0.1, le=3600)] = 1.0
    warm_up_seconds: Annotated[float, Meta(ge=0)] = 0.0
    properties: tuple[str, ...] | None = None
    ranges: dict[str, Range] = {}
    stuck_seconds: Annotated[float, Meta(gt=0)] = 3600.0


class I2cSettings(PollingSettings, frozen=True, kw_only=True):
    """`bus` is the N of /dev/i2c-N."""

    bus: Annotated[int, Meta(ge=0, le=255)] = 1
    address: Annotated[int, Meta(ge=0x08, le=0x77)]

    @property
    def endpoint(self) -> str:
        """Where it sits: no two sensors may sit there."""
        return f"I2C bus {self.bus}, address 0x{self.address:02x}"


class UartSettings(PollingSettings, frozen=True, kw_only=True):
    """`port` is a device file, best one that does not change: /dev/serial0, /dev/serial/by-id/..."""

    port: str = "/dev/serial0"

    @property
    def endpoint(self) -> str:
        """Where it sits: no two sensors may sit there."""
        return self.port


class SpiSettings(PollingSettings, frozen=True, kw_only=True):
    """The X and Y of /dev/spidevX.Y."""

    bus: Annotated[int, Meta(ge=0, le=9)] = 0
    chip: Annotated[int, Meta(ge=0, le=9)] = 0

    @property
    def endpoint(self) -> str:
        """Where it sits: no two sensors may sit there."""
        return f"/dev/spidev{self.bus}.{self.chip}"
