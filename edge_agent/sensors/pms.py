"""Plantower PMS5003 and PMS7003: PM1, PM2.5, PM10 by light scattering, a frame a second over serial.

32 bytes at 9600 8N1: 42 4D, length 00 1C, thirteen big-endian words, the sum of the first 30 bytes.
The "atmospheric environment" words are taken, as they are what the maker means for outdoor air.
PM10 is extrapolated (Kuula et al., AMT 13, 2413). Source: PMS5003 manual, series data manual V2.3.
"""

import struct
from collections.abc import Iterator
from types import MappingProxyType

from edge_agent.sensors.driver import Measured, OnUart
from edge_agent.transport.uart import Uart
from edge_agent.wire import Flag

RANGES = MappingProxyType(dict.fromkeys(("pm1", "pm2_5", "pm10"), (0.0, 1000.0)))
_FLAGS = MappingProxyType({"pm10": int(Flag.SIZE_EXTRAPOLATED)})
_HEAD, _LENGTH = b"\x42\x4d\x00\x1c", 32
_ACTIVE, _WAKE, _SLEEP = (
    b"\x42\x4d\xe1\x00\x01\x01\x71",
    b"\x42\x4d\xe4\x00\x01\x01\x74",
    b"\x42\x4d\xe4\x00\x00\x01\x73",
)


class PmsSettings(OnUart, frozen=True, kw_only=True, tag_field="driver", tag="pms"):
    """`driver = "pms"`: PMS5003 or PMS7003."""

    warm_up_seconds: float = 30.0

    def device(self) -> "Pms":
        """The driver on the kernel's port."""
        return Pms(Uart(self.port))


class PmsFrames:
    """Finds frames in the stream; whatever lies between them is skipped."""

    def __init__(self) -> None:
        self.bad = 0
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Bytes in, whole frames with a fitting checksum out."""
        self._buffer += data
        while (at := self._buffer.find(_HEAD)) >= 0 and len(self._buffer) >= at + _LENGTH:
            frame = bytes(self._buffer[at : at + _LENGTH])
            if sum(frame[:30]) == int.from_bytes(frame[30:], "big"):
                del self._buffer[: at + _LENGTH]
                yield frame
            else:
                self.bad += 1
                del self._buffer[: at + 1]  # a frame may begin inside what looked like one
        del self._buffer[: max(0, len(self._buffer) - _LENGTH + 1) if at < 0 else at]


def decode(frame: bytes) -> Measured:
    """A checked frame of 32 bytes -> values."""
    words = struct.unpack(">13H", frame[4:30])
    return Measured(
        values={"pm1": float(words[3]), "pm2_5": float(words[4]), "pm10": float(words[5])},
        flags=_FLAGS,
    )


class Pms:
    """The driver. The sensor talks by itself."""

    ranges = RANGES

    def __init__(self, uart: Uart) -> None:
        self._uart, self._frames = uart, PmsFrames()

    def start(self) -> None:
        """Fan on, frames without being asked."""
        self._uart.write(_WAKE)
        self._uart.write(_ACTIVE)

    def read(self) -> Measured:
        """The newest frame; the sensor sends one at least each 2.3 s."""
        before = self._frames.bad
        measured = decode(self._uart.newest(self._frames, patience=3.0))
        if self._frames.bad == before:
            return measured
        return Measured(
            values=measured.values,
            flags={name: measured.flags.get(name, 0) | Flag.CHECKSUM_RETRY for name in measured.values},
        )

    def recover(self) -> None:
        """The port is opened anew."""
        self._uart.reopen()

    def stop(self) -> None:
        """Fan off."""
        self._uart.write(_SLEEP)
