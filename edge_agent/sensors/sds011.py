"""Nova SDS011: PM2.5 and PM10 by light scattering, a frame a second over serial.

10 bytes at 9600 8N1: AA C0, PM2.5 and PM10 as little-endian tenths, a two-byte id, the sum of the
six data bytes modulo 256, AB. Specified to 70 % RH only; PM10 is extrapolated (Kuula et al., AMT 13,
2413). Source: SDS011 protocol V1.3.
"""

import struct
from types import MappingProxyType

from edge_agent.errors import Fault, SensorError
from edge_agent.sensor_models import MODELS
from edge_agent.sensors.driver import RawReading, UartSettings
from edge_agent.sensors.scanners import FrameScanner, read_newest_frame
from edge_agent.transport.uart import Uart
from edge_agent.wire import Flag

_MODEL = MODELS["sds011"]
_FLAGS = MappingProxyType({"pm10": int(Flag.SIZE_EXTRAPOLATED)})
_HEAD, _TAIL, _LENGTH = b"\xaa\xc0", 0xAB, 10


class Sds011Settings(UartSettings, frozen=True, kw_only=True, tag_field="driver", tag="sds011"):
    """`driver = "sds011"`: Nova SDS011."""

    def create_driver(self) -> "Sds011":
        """The driver on the kernel's port."""
        return Sds011(Uart(self.port))


def create_scanner() -> FrameScanner:
    """Return a scanner of the sensor's frames."""
    return FrameScanner(_HEAD, _LENGTH, lambda frame: sum(frame[2:8]) & 0xFF == frame[8] and frame[9] == _TAIL)


def decode(frame: bytes) -> RawReading:
    """A checked frame of 10 bytes -> values."""
    fine, coarse = struct.unpack("<2H", frame[2:6])
    counts = {"pm2_5": fine, "pm10": coarse}
    return RawReading(
        values={name: _MODEL.measurement(name).decode_count(count) for name, count in counts.items()}, flags=_FLAGS
    )


def build_command(*data: int) -> bytes:
    """An order to every sensor on the line: 19 bytes."""
    body = bytes(data).ljust(13, b"\0") + b"\xff\xff"
    return b"\xaa\xb4" + body + bytes([sum(body) & 0xFF, _TAIL])


class Sds011:
    """The driver. The sensor talks by itself; each frame has the number of its sensor."""

    model = _MODEL

    def __init__(self, uart: Uart) -> None:
        self._uart, self._scanner = uart, create_scanner()
        self._number: bytes | None = None

    def start(self) -> None:
        """Switch the fan on; the sensor then sends one frame per second."""
        self._uart.write(build_command(6, 1, 1))
        self._uart.write(build_command(2, 1, 0))
        self._uart.write(build_command(8, 1, 0))

    def read(self) -> RawReading:
        """The newest frame."""
        return read_newest_frame(self._uart, self._scanner, decode, timeout=3.0, check=self._check_numbers)

    def _check_numbers(self, frames: list[bytes]) -> None:
        """Raise SensorError if another sensor speaks on the same line: their values would look like one series."""
        self._number = self._number or frames[0][6:8]
        other = next((frame[6:8] for frame in frames if frame[6:8] != self._number), None)
        if other is not None:
            raise SensorError(
                Fault.WRONG_SENSOR,
                f"two SDS011 on one line, {self._number.hex()} and {other.hex()}: give each its own serial port",
            )

    def recover(self) -> None:
        """The port is opened anew; the sensor may be another one now."""
        self._number = None
        self._uart.reopen()

    def stop(self) -> None:
        """Fan and laser off."""
        self._uart.write(build_command(6, 1, 0))
