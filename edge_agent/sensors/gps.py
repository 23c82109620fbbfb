"""A GPS receiver that talks NMEA 0183: where a moving node is.

Only GGA is read: it has the fix, the place and the altitude in one sentence. Without a fix there is
no place, and readings go without one. Source: NMEA 0183 as described in u-blox 8 protocol manual.
"""

import re

from edge_agent.sensor_models import MODELS
from edge_agent.sensors.driver import RawReading, UartSettings
from edge_agent.sensors.scanners import LineScanner
from edge_agent.transport.uart import Uart

_SENTENCE = re.compile(rb"\$([ -)+-~]{5,100})\*([0-9A-Fa-f]{2})\r?\n")
_MAX_LINE_BYTES = 128
_MEASURED = frozenset({"1", "2", "3", "4", "5"})  # 0 no fix; 6 dead reckoning, 7 typed in, 8 simulated: not measured
_DEGREES = re.compile(r"\d{3,5}\.\d+", re.ASCII)
_LOWEST, _HIGHEST = -500.0, 10_000.0  # m; altitudes at which a node can be


class GpsSettings(UartSettings, frozen=True, kw_only=True, tag_field="driver", tag="gps"):
    """`driver = "gps"`: has no values, but gives the readings of the other sensors a position.

    baud  speed of the serial port, in baud
    """

    baud: int = 9600

    def create_driver(self) -> "Gps":
        """The driver on the kernel's port."""
        return Gps(Uart(self.port, baud=self.baud))


def create_scanner() -> LineScanner:
    """Return a scanner of GGA sentences; other valid sentences are skipped and not counted as bad."""
    return LineScanner(
        _SENTENCE,
        checksum_group=2,
        content_group=1,
        max_bytes=_MAX_LINE_BYTES,
        is_wanted=lambda content: content[2:6] == b"GGA,",
    )


def decode(sentence: bytes) -> RawReading:
    """The content of a GGA sentence -> the place; none without a fix or where a field makes no sense."""
    fields = sentence.decode("ascii", "replace").split(",")
    try:
        latitude, longitude = _parse_degrees(fields[2], fields[3], "NS"), _parse_degrees(fields[4], fields[5], "EW")
        altitude = float(fields[9])
        is_on_earth = abs(latitude) <= 90 and abs(longitude) <= 180 and _LOWEST <= altitude <= _HIGHEST
        is_empty = latitude == 0 and longitude == 0  # receivers send this before their first fix
        if fields[6] not in _MEASURED or is_empty or not is_on_earth:  # a NaN is not on earth
            return RawReading(values={})
        return RawReading(values={}, position=(latitude, longitude, altitude))
    except (ValueError, IndexError):
        return RawReading(values={})


def _parse_degrees(text: str, hemisphere: str, hemispheres: str) -> float:
    """`5228.6800`, `N` -> 52.478; ValueError where it is none."""
    if not _DEGREES.fullmatch(text) or len(hemisphere) != 1:
        raise ValueError(text)
    whole, minutes = text[: text.index(".") - 2], text[text.index(".") - 2 :]
    sign = (1, -1)[hemispheres.index(hemisphere)]
    if not float(minutes) < 60:
        raise ValueError(text)
    return round(sign * (int(whole) + float(minutes) / 60), 7)


class Gps:
    """The driver. The receiver talks by itself."""

    model = MODELS["gps"]

    def __init__(self, uart: Uart) -> None:
        self._uart, self._scanner = uart, create_scanner()

    def start(self) -> None:
        """Forget what came while nobody listened."""
        self._uart.discard_input()

    def read(self) -> RawReading:
        """The newest place."""
        return decode(self._uart.read_newest(self._scanner, timeout=3.0))

    def recover(self) -> None:
        """The port is opened anew."""
        self._uart.reopen()

    def stop(self) -> None:
        """It goes on talking; nobody listens."""
