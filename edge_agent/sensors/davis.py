"""Davis Vantage Pro2, Vue and Envoy: wind, and the outside air, from the console's LOOP packet over serial.

The console is woken with a newline and asked for one packet: ACK, then 99 bytes that end in CRC-CCITT.
Direction 0 means that the vane gives none, 360 is north; speed is whole miles an hour.
Source: Davis Instruments, Vantage Serial Communication Reference Manual, v2.6, sections IV, VIII and X.1.
"""

import binascii
import struct
import time
from collections.abc import Callable
from typing import Annotated

from msgspec import Meta

from edge_agent.errors import Fault, SensorError
from edge_agent.sensor_models import MODELS
from edge_agent.sensors.driver import RawReading, UartSettings
from edge_agent.sensors.scanners import FrameScanner
from edge_agent.sensors.wind import WindVector, combine_winds
from edge_agent.transport.uart import Uart

_MODEL = MODELS["davis"]
_METRES_PER_SECOND = 0.44704
_HEAD, _LENGTH = b"LOO", 99


class DavisSettings(UartSettings, frozen=True, kw_only=True, tag_field="driver", tag="davis"):
    """`driver = "davis"`: Davis station; one packet per interval is requested, the transmitter sends every 2.5 s.

    baud           speed of the serial port, in baud
    north_degrees  added to the measured direction, if the mast does not face north
    """

    baud: int = 19_200
    interval_seconds: float = 10.0
    north_degrees: Annotated[float, Meta(ge=0, lt=360)] = 0.0

    def create_driver(self) -> "Davis":
        """The driver on the kernel's port."""
        return Davis(Uart(self.port, baud=self.baud), north=self.north_degrees)


def create_scanner() -> FrameScanner:
    """Return a scanner of LOOP packets; CRC-CCITT over packet and checksum together is zero."""
    return FrameScanner(_HEAD, _LENGTH, lambda packet: binascii.crc_hqx(packet, 0) == 0)


def decode(frame: bytes, *, north: float = 0.0) -> RawReading:
    """A checked packet -> wind (m/s, degrees), temperature (Celsius) and humidity (%); None for a dashed value."""
    (fahrenheit,) = struct.unpack_from("<h", frame, 12)
    speed, (direction,), humidity = frame[14], struct.unpack_from("<H", frame, 16), frame[33]
    wind = WindVector(
        _decode("wind_direction", direction, float), _decode("wind_speed", speed, lambda mph: mph * _METRES_PER_SECOND)
    )
    values = {
        **combine_winds(_MODEL, [wind], north=north).values,
        "temperature": _decode("temperature", fahrenheit, lambda tenths: round((tenths / 10 - 32) / 1.8, 2)),
        "humidity": _decode("humidity", humidity, float),
    }
    return RawReading(values=values)


def _decode(name: str, count: int, convert: Callable[[int], float]) -> float | None:
    return None if count in _MODEL.measurement(name).no_value else convert(count)


class Davis:
    """The driver."""

    model = _MODEL

    def __init__(self, uart: Uart, *, north: float) -> None:
        self._uart, self._north, self._scanner = uart, north, create_scanner()

    def start(self) -> None:
        """Wake the console, which sleeps on battery; it may need three newlines (manual, section V)."""
        for _ in range(3):
            self._uart.write(b"\n")
            time.sleep(0.1)
        self._uart.discard_input()

    def read(self) -> RawReading:
        """One packet."""
        self._uart.write(b"\n")
        self._uart.write(b"LOOP 1\n")
        raw = decode(self._uart.read_newest(self._scanner, timeout=3.0), north=self._north)
        if all(value is None for value in raw.values.values()):
            raise SensorError(Fault.NO_ANSWER, "the console hears no outdoor station: check its battery and channel")
        return raw

    def recover(self) -> None:
        """The port is opened anew."""
        self._uart.reopen()

    def stop(self) -> None:
        """It speaks only when asked."""
