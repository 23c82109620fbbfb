"""Alphasense OPC-N3: PM1, PM2.5, PM10 from a histogram of single particles, over SPI.

Mode 1. A command byte is sent until the sensor answers 0xF3 (0x31: busy), at most once per 10 ms. After 20 s without
an answer the link must pause for two seconds. The histogram is 86 bytes, little-endian, and ends in a CRC-16
(polynomial 0xA001 reflected, initial value 0xFFFF) of the first 84. Source: Alphasense supplemental SPI information
for the OPC-N3, 072-0503 issue 3.
"""

import struct
from types import MappingProxyType
from typing import Any

from edge_agent.errors import Fault, SensorError
from edge_agent.sensors.checksums import crc16
from edge_agent.sensors.driver import RawReading, SpiSettings
from edge_agent.sensors.float32 import shortest_decimal
from edge_agent.transport.spi import Spi

RANGES = MappingProxyType(
    {
        **dict.fromkeys(("pm1", "pm2_5", "pm10"), (0.0, 2000.0)),
        "temperature": (-20.0, 60.0),
        "humidity": (0.0, 100.0),
    }
)
_READY, _BUSY = 0xF3, 0x31
_POWER, _HISTOGRAM, _RESET = 0x03, 0x30, 0x06
_FAN_ON, _FAN_OFF, _LASER_ON, _LASER_OFF = 0x03, 0x02, 0x07, 0x06
_LENGTH = 86
# 24 bins, 4 times of flight, period, flow, temperature, humidity, PM A B C, 4 rejections, fan, laser, checksum
_LAYOUT = struct.Struct("<24H4B4H3f7H")


class Opcn3Settings(SpiSettings, frozen=True, kw_only=True, tag_field="driver", tag="opcn3"):
    """`driver = "opcn3"`: Alphasense OPC-N3.

    A histogram covers the time since the one before: 10 s count enough particles.
    """

    interval_seconds: float = 10.0
    warm_up_seconds: float = 30.0

    def create_driver(self) -> "Opcn3":
        """The driver on the kernel's bus."""
        return Opcn3(Spi(self.bus, self.chip, speed=300_000, mode=1))


def decode(frame: bytes) -> RawReading:
    """86 bytes of a histogram -> values; raises SensorError if they are invalid or the sensor is not counting."""
    period, flow, temperature, humidity, pm1, pm2_5, pm10 = _unpack_frame(frame)[28:35]
    if period == 0 or flow == 0:
        raise SensorError(Fault.NOT_MEASURING, "the OPC-N3 draws no air: its fan must be started again")
    return RawReading(
        values={
            "pm1": shortest_decimal(pm1),
            "pm2_5": shortest_decimal(pm2_5),
            "pm10": shortest_decimal(pm10),
            "temperature": round(-45 + 175 * temperature / 65_535, 2),
            "humidity": round(100 * humidity / 65_535, 2),
        }
    )


def _unpack_frame(frame: bytes) -> tuple[Any, ...]:
    """The fields of `_LAYOUT`; raises SensorError if length or checksum is wrong."""
    if len(frame) != _LENGTH:
        raise SensorError(Fault.BAD_FRAME, f"{len(frame)} bytes where {_LENGTH} were expected")
    fields = _LAYOUT.unpack(frame)
    if crc16(frame[:-2]) != fields[-1]:
        raise SensorError(Fault.BAD_CHECKSUM, "the checksum of the histogram does not fit: check the SPI cable")
    return fields


class Opcn3:
    """The driver. Counting once fan and laser are on."""

    ranges = RANGES

    def __init__(self, spi: Spi) -> None:
        self._spi = spi

    def start(self) -> None:
        """Fan and laser on; the first histogram, which covers the spin-up, is thrown away."""
        self._send_command(_POWER, bytes([_FAN_ON]))
        self._spi.wait(1.0)
        self._send_command(_POWER, bytes([_LASER_ON]))
        self._spi.wait(1.0)
        self._send_command(_HISTOGRAM, bytes(_LENGTH))

    def read(self) -> RawReading:
        """Read the particles counted since the last read."""
        return decode(self._send_command(_HISTOGRAM, bytes(_LENGTH)))

    def recover(self) -> None:
        """Reset after the rest that the maker prescribes."""
        self._spi.reopen()
        self._spi.wait(2.0)
        self._send_command(_RESET, b"")

    def stop(self) -> None:
        """Laser and fan off."""
        self._send_command(_POWER, bytes([_LASER_OFF]))
        self._send_command(_POWER, bytes([_FAN_OFF]))

    def _send_command(self, command: int, data: bytes) -> bytes:
        """A command, then its bytes one by one; what came back for them."""
        for _ in range(20):
            answer = self._spi.transfer(bytes([command]))[0]
            if answer == _READY:
                break
            if answer != _BUSY:
                self._spi.wait(1.0)  # lost the rhythm: it listens again after a pause
            self._spi.wait(0.01)
        else:
            raise SensorError(Fault.NO_ANSWER, "the OPC-N3 is never ready: check cable, power (5 V) and chip select")
        content = bytearray()
        for byte in data:
            self._spi.wait(0.00001)
            content += self._spi.transfer(bytes([byte]))
        return bytes(content)
