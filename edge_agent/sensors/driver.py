"""Interface of a driver: it starts, reads, stops and recovers one sensor. It knows no schedule and no other sensors."""

from collections.abc import Mapping
from typing import Annotated, Protocol, runtime_checkable

from msgspec import Meta, Struct

from edge_agent.sensor_models import SensorModel

Range = tuple[float, float]

OPTICAL_PM = ("pm1", "pm2_5", "pm4", "pm10")  # measured by light scattering, so humid air raises them


class RawReading(Struct, frozen=True, kw_only=True):
    """Result of one read.

    values    quantity -> raw value; None if the sensor reports no value
    flags     quantity -> `wire.Flag` bits that follow from the frame or the kind of sensor
    fresh     False: the sensor had nothing new and repeated itself
    position  latitude, longitude (degrees, WGS 84) and altitude (m), of a sensor with GPS
    """

    values: Mapping[str, float | None]
    flags: Mapping[str, int] = {}
    fresh: bool = True
    position: tuple[float, float, float] | None = None


class Driver(Protocol):
    """One physical sensor. Every method may raise SensorError."""

    @property
    def model(self) -> SensorModel:
        """Its rows in the table of sensor models: what it measures, and how its values are judged."""
        ...

    def start(self) -> None:
        """Check that it is what it should be, and begin to measure; also after a brown-out."""
        ...

    def read(self) -> RawReading:
        """The newest values."""
        ...

    def recover(self) -> None:
        """Recover if a restart does not help: reset the sensor, reopen the port."""
        ...

    def stop(self) -> None:
        """Leave it idle."""
        ...


@runtime_checkable
class SelfChecking(Protocol):
    """A sensor that reports broken parts."""

    def check(self) -> None:
        """Raise SensorError(BROKEN) with their names; the readings are stored and flagged."""
        ...


@runtime_checkable
class Cleanable(Protocol):
    """A sensor with a fan that can be cleaned; it does not measure meanwhile."""

    cleaning_seconds: float

    def clean(self) -> None:
        """Begin a cleaning, which ends by itself."""
        ...


class PollingSettings(Struct, frozen=True, kw_only=True):
    """Keys of every polled sensor.

    name              name in logs and health messages; default: the driver and its bus or port
    interval_seconds  time between readings
    warm_up_seconds   readings are flagged for this time after a start; default: per property, from the table of sensor
                      models
    properties        properties to report, if two sensors measure the same one; default: all
    ranges            property -> [lowest, highest]; values outside are flagged, as are those outside the range of the
                      model
    stuck_seconds     a value that does not change for this time is flagged; clean air stands still for half a day
    """

    name: str | None = None
    interval_seconds: Annotated[float, Meta(ge=0.1, le=3600)] = 1.0
    warm_up_seconds: Annotated[float, Meta(ge=0)] | None = None
    properties: tuple[str, ...] | None = None
    ranges: dict[str, Range] = {}
    stuck_seconds: Annotated[float, Meta(gt=0)] = 86_400.0


class I2cSettings(PollingSettings, frozen=True, kw_only=True):
    """Keys of a sensor on an I2C bus.

    bus      N of /dev/i2c-N
    address  address on the bus
    """

    bus: Annotated[int, Meta(ge=0, le=255)] = 1
    address: Annotated[int, Meta(ge=0x08, le=0x77)]

    @property
    def endpoint(self) -> str:
        """The endpoint of the sensor on its bus; no two sensors may share it."""
        return f"I2C bus {self.bus}, address 0x{self.address:02x}"


class UartSettings(PollingSettings, frozen=True, kw_only=True):
    """Keys of a sensor on a serial port.

    port  device file; a stable one such as /dev/serial0 or /dev/serial/by-id/... is best
    """

    port: str = "/dev/serial0"

    @property
    def endpoint(self) -> str:
        """The endpoint of the sensor on its bus; no two sensors may share it."""
        return self.port


class SpiSettings(PollingSettings, frozen=True, kw_only=True):
    """Keys of a sensor on an SPI bus.

    bus   X of /dev/spidevX.Y
    chip  Y of /dev/spidevX.Y
    """

    bus: Annotated[int, Meta(ge=0, le=9)] = 0
    chip: Annotated[int, Meta(ge=0, le=9)] = 0

    @property
    def endpoint(self) -> str:
        """The endpoint of the sensor on its bus; no two sensors may share it."""
        return f"/dev/spidev{self.bus}.{self.chip}"
