"""Sensirion SEN66: PM, humidity, temperature, VOC and NOx raw signals, and CO2.

Stopping takes 1.4 s, cleaning is possible only while stopped. Source: SEN6x datasheet, version 0.91.
"""

import struct
from types import MappingProxyType

from edge_agent.errors import Fault, SensorFault
from edge_agent.sensors.driver import Measured, OnI2c
from edge_agent.sensors.sen5x import scaled
from edge_agent.sensors.sensirion import Channel
from edge_agent.transport.i2c import Bus, bus
from edge_agent.wire import Flag

RANGES = MappingProxyType(
    {
        **dict.fromkeys(("pm1", "pm2_5", "pm4", "pm10"), (0.0, 1000.0)),
        "humidity": (0.0, 100.0),
        "temperature": (-10.0, 50.0),
        "voc_raw": (0.0, 65_534.0),
        "nox_raw": (0.0, 65_534.0),
        "co2": (0.0, 40_000.0),
    }
)
_FLAGS = MappingProxyType({"pm4": int(Flag.SIZE_EXTRAPOLATED), "pm10": int(Flag.SIZE_EXTRAPOLATED)})
_START, _STOP, _READY, _READ, _READ_RAW = 0x0021, 0x0104, 0x0202, 0x0300, 0x0405
_CLEAN, _STATUS, _RESET, _NAME = 0x5607, 0xD206, 0xD304, 0xD014
_UNSIGNED, _SIGNED = 0xFFFF, 0x7FFF
_BROKEN = (
    (1 << 21, "fan speed"),
    (1 << 12, "CO2 sensor"),
    (1 << 11, "PM sensor"),
    (1 << 7, "gas sensor"),
    (1 << 6, "humidity sensor"),
    (1 << 4, "fan"),
)


class Sen66Settings(OnI2c, frozen=True, kw_only=True, tag_field="driver", tag="sen66"):
    """`driver = "sen66"`. `cleaning_hours`: a fan cleaning each so many hours; 0: never."""

    address: int = 0x6B
    warm_up_seconds: float = 60.0
    cleaning_hours: float = 168.0

    def device(self) -> "Sen66":
        """The driver on the kernel's bus."""
        return Sen66(bus(self.bus), self.address)


def decode(content: bytes, raw: bytes) -> Measured:
    """Content of "measured values" (18 bytes) and of "raw values" (10 bytes) -> values; unknown ones are None."""
    *pm, humidity, temperature, _voc_index, _nox_index, co2 = struct.unpack(">4H4hH", content)
    _, _, voc, nox, _co2_unfiltered = struct.unpack(">2h3H", raw)
    values = {
        **{
            name: scaled(number, 10, _UNSIGNED)
            for name, number in zip(("pm1", "pm2_5", "pm4", "pm10"), pm, strict=True)
        },
        "humidity": scaled(humidity, 100, _SIGNED),
        "temperature": scaled(temperature, 200, _SIGNED),
        "voc_raw": scaled(voc, 1, _UNSIGNED),
        "nox_raw": scaled(nox, 1, _UNSIGNED),
        "co2": scaled(co2, 1, _UNSIGNED),
    }
    if all(value is None for value in values.values()):
        raise SensorFault(Fault.NOT_MEASURING, "the SEN66 knows no value: it lost power and must be started again")
    return Measured(values=values, flags=_FLAGS)


class Sen66:
    """The driver. Measuring once started; new values each second."""

    ranges = RANGES
    cleaning_seconds = 14.0

    def __init__(self, bus: Bus, address: int = 0x6B) -> None:
        self._channel = Channel(bus, address)

    def start(self) -> None:
        """Identify and measure."""
        name = self._channel.text(_NAME)
        if not name.startswith("SEN66"):
            raise SensorFault(Fault.WRONG_DEVICE, f"at 0x{self._channel.address:02x} sits {name!r}, no SEN66")
        self._channel.send(_STOP, pause=1.4)
        self._channel.send(_START, pause=0.05)

    def read(self) -> Measured:
        """The newest values; not fresh where there are no new ones."""
        fresh = self._channel.ask(_READY, 2)[1] == 1
        measured = decode(self._channel.ask(_READ, 18), self._channel.ask(_READ_RAW, 10))
        return measured if fresh else Measured(values=measured.values, flags=measured.flags, fresh=False)

    def check(self) -> None:
        """SensorFault where the sensor says that a part of it fails."""
        (status,) = struct.unpack(">I", self._channel.ask(_STATUS, 4))
        broken = [name for bit, name in _BROKEN if status & bit]
        if broken:
            raise SensorFault(Fault.BROKEN, f"the SEN66 reports a failing {' and '.join(broken)}: clean or replace it")

    def clean(self) -> None:
        """Stop, blow the dust out of the fan, and measure again."""
        self._channel.send(_STOP, pause=1.4)
        self._channel.send(_CLEAN, pause=10.5)
        self._channel.send(_START, pause=0.05)

    def recover(self) -> None:
        """Reset; the bus is opened anew."""
        self._channel.bus.reopen()
        self._channel.send(_RESET, pause=1.2)

    def stop(self) -> None:
        """Idle: the fan stands still."""
        self._channel.send(_STOP, pause=1.4)
