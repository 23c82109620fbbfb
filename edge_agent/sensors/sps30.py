"""Sensirion SPS30: PM1, PM2.5, PM4, PM10 by light scattering, once a second.

It measures particles up to about 1 um; PM4 and PM10 are extrapolated (Kuula et al., AMT 13, 2413) and flagged. The
interval of its weekly fan cleaning restarts at each power loss, so the agent keeps the schedule and disables that of
the sensor. Source: SPS30 datasheet, version 1.0 D1.
"""

import math
import struct
from types import MappingProxyType

import msgspec

from edge_agent.errors import Fault, SensorError
from edge_agent.sensor_models import MODELS
from edge_agent.sensors.driver import I2cSettings, RawReading
from edge_agent.sensors.float32 import shortest_decimal
from edge_agent.sensors.sensirion import SensirionI2c
from edge_agent.transport.i2c import I2cBus, get_bus
from edge_agent.wire import Flag

_FLAGS = MappingProxyType({"pm4": int(Flag.SIZE_EXTRAPOLATED), "pm10": int(Flag.SIZE_EXTRAPOLATED)})
_LENGTH = 40
_START, _STOP, _READY, _READ = 0x0010, 0x0104, 0x0202, 0x0300
_CLEAN, _CLEANING_INTERVAL, _STATUS, _RESET, _PRODUCT = 0x5607, 0x8004, 0xD206, 0xD304, 0xD002
_FLOAT = 0x0300
_SPEED, _LASER, _FAN = 1 << 21, 1 << 5, 1 << 4  # bits of the status register


class Sps30Settings(I2cSettings, frozen=True, kw_only=True, tag_field="driver", tag="sps30"):
    """`driver = "sps30"`: Sensirion SPS30.

    cleaning_hours  time between fan cleanings; 0: never
    """

    address: int = 0x69
    cleaning_hours: float = 168.0

    def create_driver(self) -> "Sps30":
        """The driver on the kernel's bus."""
        return Sps30(get_bus(self.bus), self.address)


def decode(content: bytes) -> RawReading:
    """40 bytes of content (ten floats, big-endian) -> values; the number concentrations are left out."""
    pm1, pm2_5, pm4, pm10, *_ = struct.unpack(">10f", content)
    values = {"pm1": pm1, "pm2_5": pm2_5, "pm4": pm4, "pm10": pm10}
    if not any(math.isfinite(value) for value in values.values()):
        raise SensorError(Fault.NOT_MEASURING, "the SPS30 returns no numbers: it lost power and must be started again")
    return RawReading(values={name: shortest_decimal(value) for name, value in values.items()}, flags=_FLAGS)


class Sps30:
    """The driver. Measuring once started; new values each second."""

    model = MODELS["sps30"]
    cleaning_seconds = 12.0  # ten by the datasheet, and the fan has to come to speed again

    def __init__(self, bus: I2cBus, address: int = 0x69) -> None:
        self._i2c = SensirionI2c(bus, address)

    def start(self) -> None:
        """Wake, identify, measure as floats, own cleaning off."""
        product = self._i2c.query_text(_PRODUCT, 8)
        if not product.startswith("000800"):
            raise SensorError(
                Fault.WRONG_SENSOR,
                f"at 0x{self._i2c.address:02x} sits {product!r}, no SPS30; a SEN5x has the same address",
            )
        self._i2c.send_command(_STOP)
        self._i2c.send_command(_CLEANING_INTERVAL, 0, 0)
        self._i2c.send_command(_START, _FLOAT)

    def read(self) -> RawReading:
        """The newest values; not fresh where there are no new ones."""
        fresh = self._i2c.query(_READY, 2)[1] == 1
        raw = decode(self._i2c.query(_READ, _LENGTH))
        return msgspec.structs.replace(raw, fresh=fresh)

    def check(self) -> None:
        """Raise SensorError if the sensor reports a failed fan or laser."""
        (status,) = struct.unpack(">I", self._i2c.query(_STATUS, 4))
        broken = [name for bit, name in ((_LASER, "laser"), (_FAN, "fan"), (_SPEED, "fan speed")) if status & bit]
        if broken:
            raise SensorError(Fault.BROKEN, f"the SPS30 reports a failing {' and '.join(broken)}: clean or replace it")

    def clean(self) -> None:
        """Blow the dust out of the fan."""
        self._i2c.send_command(_CLEAN)

    def recover(self) -> None:
        """Reset; the bus is opened anew."""
        self._i2c.bus.reopen()
        self._i2c.send_command(_RESET, pause=0.1)

    def stop(self) -> None:
        """Idle: the fan stands still."""
        self._i2c.send_command(_STOP)
