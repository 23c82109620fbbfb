"""Sensirion SEN50, SEN54, SEN55: PM, and with it humidity, temperature, VOC and NOx raw signals.

VOC and NOx are taken as raw ticks: the index is relative to the sensor's own last days, which an
inspectorate cannot use. After a brown-out the sensor answers "unknown" for ever until it is
started again. Source: SEN5x datasheet, version 2, sections 6.1 and 6.2; the command for raw values
(0x03D2) is in the maker's published Arduino driver only.
"""

import struct
from types import MappingProxyType

from edge_agent.errors import Fault, SensorFault
from edge_agent.sensors.driver import Measured, OnI2c
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
    }
)
_FLAGS = MappingProxyType({"pm4": int(Flag.SIZE_EXTRAPOLATED), "pm10": int(Flag.SIZE_EXTRAPOLATED)})
_START, _STOP, _READY, _READ, _READ_RAW = 0x0021, 0x0104, 0x0202, 0x03C4, 0x03D2
_CLEAN, _CLEANING_INTERVAL, _STATUS, _RESET, _NAME = 0x5607, 0x8004, 0xD206, 0xD304, 0xD014
_UNSIGNED, _SIGNED = 0xFFFF, 0x7FFF  # "unknown"
_BROKEN = (
    (1 << 21, "fan speed"),
    (1 << 7, "gas sensor"),
    (1 << 6, "humidity sensor"),
    (1 << 5, "laser"),
    (1 << 4, "fan"),
)


class Sen5xSettings(OnI2c, frozen=True, kw_only=True, tag_field="driver", tag="sen5x"):
    """`driver = "sen5x"`. `cleaning_hours`: a fan cleaning each so many hours; 0: never."""

    address: int = 0x69
    warm_up_seconds: float = 60.0
    cleaning_hours: float = 168.0

    def device(self) -> "Sen5x":
        """The driver on the kernel's bus."""
        return Sen5x(bus(self.bus), self.address)


def decode(content: bytes, raw: bytes) -> Measured:
    """Content of "measured values" (16 bytes) and of "raw values" (8 bytes) -> values; unknown ones are None."""
    *pm, humidity, temperature, _voc_index, _nox_index = struct.unpack(">4H4h", content)
    _, _, voc, nox = struct.unpack(">2h2H", raw)
    values = {
        **{
            name: scaled(number, 10, _UNSIGNED)
            for name, number in zip(("pm1", "pm2_5", "pm4", "pm10"), pm, strict=True)
        },
        "humidity": scaled(humidity, 100, _SIGNED),
        "temperature": scaled(temperature, 200, _SIGNED),
        "voc_raw": scaled(voc, 1, _UNSIGNED),
        "nox_raw": scaled(nox, 1, _UNSIGNED),
    }
    if all(value is None for value in values.values()):
        raise SensorFault(Fault.NOT_MEASURING, "the SEN5x knows no value: it lost power and must be started again")
    return Measured(values=values, flags=_FLAGS)


def scaled(number: int, divisor: int, unknown: int) -> float | None:
    """A fixed-point number -> its value, or None for the code that means "unknown"."""
    return None if number == unknown else number / divisor


class Sen5x:
    """The driver. Measuring once started; new values each second."""

    ranges = RANGES
    cleaning_seconds = 12.0

    def __init__(self, bus: Bus, address: int = 0x69) -> None:
        self._channel = Channel(bus, address)

    def start(self) -> None:
        """Identify, measure, own cleaning off."""
        name = self._channel.text(_NAME)
        if not name.startswith("SEN5"):
            raise SensorFault(
                Fault.WRONG_DEVICE,
                f"at 0x{self._channel.address:02x} sits {name!r}, no SEN5x; an SPS30 has the same address",
            )
        self._channel.send(_STOP, pause=0.2)
        self._channel.send(_CLEANING_INTERVAL, 0, 0)
        self._channel.send(_START, pause=0.05)

    def read(self) -> Measured:
        """The newest values; not fresh where there are no new ones."""
        fresh = self._channel.ask(_READY, 2)[1] == 1
        measured = decode(self._channel.ask(_READ, 16), self._channel.ask(_READ_RAW, 8))
        return measured if fresh else Measured(values=measured.values, flags=measured.flags, fresh=False)

    def check(self) -> None:
        """SensorFault where the sensor says that a part of it fails."""
        (status,) = struct.unpack(">I", self._channel.ask(_STATUS, 4))
        broken = [name for bit, name in _BROKEN if status & bit]
        if broken:
            raise SensorFault(Fault.BROKEN, f"the SEN5x reports a failing {' and '.join(broken)}: clean or replace it")

    def clean(self) -> None:
        """Blow the dust out of the fan."""
        self._channel.send(_CLEAN)

    def recover(self) -> None:
        """Reset; the bus is opened anew."""
        self._channel.bus.reopen()
        self._channel.send(_RESET, pause=0.2)

    def stop(self) -> None:
        """Idle: the fan stands still."""
        self._channel.send(_STOP, pause=0.2)
