"""Plantower PMS5003 and PMS7003: PM1, PM2.5, PM10 by light scattering, a frame a second over serial.

32 bytes at 9600 8N1: 42 4D, length 00 1C, thirteen big-endian words, the sum of the first 30 bytes.
The "atmospheric environment" words are taken, as they are what the maker means for outdoor air.
PM10 is extrapolated (Kuula et al., AMT 13, 2413). Source: PMS5003 manual, series data manual V2.3.
"""

import struct
from types import MappingProxyType

from edge_agent.sensor_models import MODELS
from edge_agent.sensors.driver import RawReading, UartSettings
from edge_agent.sensors.scanners import FrameScanner, read_newest_frame
from edge_agent.transport.uart import Uart
from edge_agent.wire import Flag

_MODEL = MODELS["pms"]
_FLAGS = MappingProxyType({"pm10": int(Flag.SIZE_EXTRAPOLATED)})
_HEAD, _LENGTH = b"\x42\x4d\x00\x1c", 32
_ACTIVE, _WAKE, _SLEEP = (
    b"\x42\x4d\xe1\x00\x01\x01\x71",
    b"\x42\x4d\xe4\x00\x01\x01\x74",
    b"\x42\x4d\xe4\x00\x00\x01\x73",
)


class PmsSettings(UartSettings, frozen=True, kw_only=True, tag_field="driver", tag="pms"):
    """`driver = "pms"`: PMS5003 or PMS7003."""

    def create_driver(self) -> "Pms":
        """The driver on the kernel's port."""
        return Pms(Uart(self.port))


def create_scanner() -> FrameScanner:
    """Return a scanner of the sensor's frames."""
    return FrameScanner(_HEAD, _LENGTH, lambda frame: sum(frame[:30]) == int.from_bytes(frame[30:], "big"))


def decode(frame: bytes) -> RawReading:
    """A checked frame of 32 bytes -> values."""
    words = struct.unpack(">13H", frame[4:30])
    counts = {"pm1": words[3], "pm2_5": words[4], "pm10": words[5]}
    return RawReading(
        values={name: _MODEL.measurement(name).decode_count(count) for name, count in counts.items()}, flags=_FLAGS
    )


class Pms:
    """The driver. The sensor talks by itself."""

    model = _MODEL

    def __init__(self, uart: Uart) -> None:
        self._uart, self._scanner = uart, create_scanner()

    def start(self) -> None:
        """Switch the fan on; the sensor then sends frames continuously."""
        self._uart.write(_WAKE)
        self._uart.write(_ACTIVE)

    def read(self) -> RawReading:
        """The newest frame; the sensor sends one at least each 2.3 s."""
        return read_newest_frame(self._uart, self._scanner, decode, timeout=3.0)

    def recover(self) -> None:
        """The port is opened anew."""
        self._uart.reopen()

    def stop(self) -> None:
        """Fan off."""
        self._uart.write(_SLEEP)
