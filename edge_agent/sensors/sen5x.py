"""Sensirion SEN50, SEN54, SEN55: PM, and with it humidity, temperature, VOC and NOx raw signals.

VOC and NOx are taken as raw ticks: the index is relative to the last days of the sensor, which an inspectorate cannot
use. After a brown-out the sensor answers "unknown" until it is started again. Source: SEN5x datasheet, version 2,
sections 6.1 and 6.2; the command for raw values (0x03D2) is in the maker's published Arduino driver only.
"""

import struct
from types import MappingProxyType

import msgspec

from edge_agent.errors import Fault, SensorError
from edge_agent.sensor_models import MODELS
from edge_agent.sensors.driver import OPTICAL_PM, I2cSettings, RawReading
from edge_agent.sensors.sensirion import SensirionI2c
from edge_agent.transport.i2c import I2cBus, get_bus
from edge_agent.wire import Flag

_MODEL = MODELS["sen5x"]
_FLAGS = MappingProxyType({"pm4": int(Flag.SIZE_EXTRAPOLATED), "pm10": int(Flag.SIZE_EXTRAPOLATED)})
_START, _STOP, _READY, _READ, _READ_RAW = 0x0021, 0x0104, 0x0202, 0x03C4, 0x03D2
_CLEAN, _CLEANING_INTERVAL, _STATUS, _RESET, _NAME = 0x5607, 0x8004, 0xD206, 0xD304, 0xD014
_FAULT_BITS = (
    (1 << 21, "fan speed"),
    (1 << 7, "gas sensor"),
    (1 << 6, "humidity sensor"),
    (1 << 5, "laser"),
    (1 << 4, "fan"),
)


class Sen5xSettings(I2cSettings, frozen=True, kw_only=True, tag_field="driver", tag="sen5x"):
    """`driver = "sen5x"`: Sensirion SEN50, SEN54 or SEN55.

    cleaning_hours  time between fan cleanings; 0: never
    """

    address: int = 0x69
    cleaning_hours: float = 168.0

    def create_driver(self) -> "Sen5x":
        """The driver on the kernel's bus."""
        return Sen5x(get_bus(self.bus), self.address)


def decode(content: bytes, raw_values: bytes) -> RawReading:
    """Content of "measured values" (16 bytes) and of "raw values" (8 bytes) -> values; unknown ones are None."""
    *pm, humidity, temperature, _voc_index, _nox_index = struct.unpack(">4H4h", content)
    _, _, voc, nox = struct.unpack(">2h2H", raw_values)
    counts = {
        **dict(zip(OPTICAL_PM, pm, strict=True)),
        "humidity": humidity,
        "temperature": temperature,
        "voc_raw": voc,
        "nox_raw": nox,
    }
    values = {name: _MODEL.measurement(name).decode_count(count) for name, count in counts.items()}
    if all(value is None for value in values.values()):
        raise SensorError(Fault.NOT_MEASURING, "the SEN5x knows no value: it lost power and must be started again")
    return RawReading(values=values, flags=_FLAGS)


class Sen5x:
    """The driver. Measuring once started; new values each second."""

    model = _MODEL
    cleaning_seconds = 12.0

    def __init__(self, bus: I2cBus, address: int = 0x69) -> None:
        self._i2c = SensirionI2c(bus, address)

    def start(self) -> None:
        """Identify, measure, own cleaning off."""
        name = self._i2c.query_text(_NAME)
        if not name.startswith("SEN5"):
            raise SensorError(
                Fault.WRONG_SENSOR,
                f"at 0x{self._i2c.address:02x} sits {name!r}, no SEN5x; an SPS30 has the same address",
            )
        self._i2c.send_command(_STOP, pause=0.2)
        self._i2c.send_command(_CLEANING_INTERVAL, 0, 0)
        self._i2c.send_command(_START, pause=0.05)

    def read(self) -> RawReading:
        """The newest values; not fresh where there are no new ones."""
        fresh = self._i2c.query(_READY, 2)[1] == 1
        raw = decode(self._i2c.query(_READ, 16), self._i2c.query(_READ_RAW, 8))
        return msgspec.structs.replace(raw, fresh=fresh)

    def check(self) -> None:
        """Raise SensorError if the sensor reports a failed part."""
        (status,) = struct.unpack(">I", self._i2c.query(_STATUS, 4))
        broken = [name for bit, name in _FAULT_BITS if status & bit]
        if broken:
            raise SensorError(Fault.BROKEN, f"the SEN5x reports a failing {' and '.join(broken)}: clean or replace it")

    def clean(self) -> None:
        """Blow the dust out of the fan."""
        self._i2c.send_command(_CLEAN)

    def recover(self) -> None:
        """Reset; the bus is opened anew."""
        self._i2c.bus.reopen()
        self._i2c.send_command(_RESET, pause=0.2)

    def stop(self) -> None:
        """Idle: the fan stands still."""
        self._i2c.send_command(_STOP, pause=0.2)
