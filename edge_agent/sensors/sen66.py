"""Sensirion SEN66: PM, humidity, temperature, VOC and NOx raw signals, and CO2.

Stopping takes 1.4 s, cleaning is possible only while stopped. Source: SEN6x datasheet, version 0.91.
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

_MODEL = MODELS["sen66"]
_FLAGS = MappingProxyType({"pm4": int(Flag.SIZE_EXTRAPOLATED), "pm10": int(Flag.SIZE_EXTRAPOLATED)})
_START, _STOP, _READY, _READ, _READ_RAW = 0x0021, 0x0104, 0x0202, 0x0300, 0x0405
_CLEAN, _STATUS, _RESET, _NAME = 0x5607, 0xD206, 0xD304, 0xD014
_FAULT_BITS = (
    (1 << 21, "fan speed"),
    (1 << 12, "CO2 sensor"),
    (1 << 11, "PM sensor"),
    (1 << 7, "gas sensor"),
    (1 << 6, "humidity sensor"),
    (1 << 4, "fan"),
)


class Sen66Settings(I2cSettings, frozen=True, kw_only=True, tag_field="driver", tag="sen66"):
    """`driver = "sen66"`: Sensirion SEN66.

    cleaning_hours  time between fan cleanings; 0: never
    """

    address: int = 0x6B
    cleaning_hours: float = 168.0

    def create_driver(self) -> "Sen66":
        """The driver on the kernel's bus."""
        return Sen66(get_bus(self.bus), self.address)


def decode(content: bytes, raw_values: bytes) -> RawReading:
    """Content of "measured values" (18 bytes) and of "raw values" (10 bytes) -> values; unknown ones are None."""
    *pm, humidity, temperature, _voc_index, _nox_index, co2 = struct.unpack(">4H4hH", content)
    _, _, voc, nox, _co2_unfiltered = struct.unpack(">2h3H", raw_values)
    counts = {
        **dict(zip(OPTICAL_PM, pm, strict=True)),
        "humidity": humidity,
        "temperature": temperature,
        "voc_raw": voc,
        "nox_raw": nox,
        "co2": co2,
    }
    values = {name: _MODEL.measurement(name).decode_count(count) for name, count in counts.items()}
    if all(value is None for value in values.values()):
        raise SensorError(Fault.NOT_MEASURING, "the SEN66 knows no value: it lost power and must be started again")
    return RawReading(values=values, flags=_FLAGS)


class Sen66:
    """The driver. Measuring once started; new values each second."""

    model = _MODEL
    cleaning_seconds = 14.0

    def __init__(self, bus: I2cBus, address: int = 0x6B) -> None:
        self._i2c = SensirionI2c(bus, address)

    def start(self) -> None:
        """Identify and measure."""
        name = self._i2c.query_text(_NAME)
        if not name.startswith("SEN66"):
            raise SensorError(Fault.WRONG_SENSOR, f"at 0x{self._i2c.address:02x} sits {name!r}, no SEN66")
        self._i2c.send_command(_STOP, pause=1.4)
        self._i2c.send_command(_START, pause=0.05)

    def read(self) -> RawReading:
        """The newest values; not fresh where there are no new ones."""
        fresh = self._i2c.query(_READY, 2)[1] == 1
        raw = decode(self._i2c.query(_READ, 18), self._i2c.query(_READ_RAW, 10))
        return msgspec.structs.replace(raw, fresh=fresh)

    def check(self) -> None:
        """Raise SensorError if the sensor reports a failed part."""
        (status,) = struct.unpack(">I", self._i2c.query(_STATUS, 4))
        broken = [name for bit, name in _FAULT_BITS if status & bit]
        if broken:
            raise SensorError(Fault.BROKEN, f"the SEN66 reports a failing {' and '.join(broken)}: clean or replace it")

    def clean(self) -> None:
        """Stop, blow the dust out of the fan, and measure again."""
        self._i2c.send_command(_STOP, pause=1.4)
        self._i2c.send_command(_CLEAN, pause=10.5)
        self._i2c.send_command(_START, pause=0.05)

    def recover(self) -> None:
        """Reset; the bus is opened anew."""
        self._i2c.bus.reopen()
        self._i2c.send_command(_RESET, pause=1.2)

    def stop(self) -> None:
        """Idle: the fan stands still."""
        self._i2c.send_command(_STOP, pause=1.4)
