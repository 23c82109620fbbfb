"""Wind: ultrasonic anemometers that send ASCII (Gill WindSonic and alike) or Modbus RTU.

A speed or a direction is judged by its row of the table of sensor models before it is turned or averaged: 65535 modulo
360 is no direction.

A reading covers all lines since the one before. Its direction is that of the vector mean, its speed the scalar mean
(WMO Guide to Instruments, No. 8, part I, chapter 5). Sources: Gill WindSonic user manual 1405-PS-0019; Modbus over
serial line V1.02.
"""

import math
import re
import struct
from collections.abc import Iterator, Sequence
from types import MappingProxyType
from typing import Annotated, NamedTuple

from msgspec import Meta

from edge_agent.errors import Fault, SensorError
from edge_agent.sensor_models import MODELS, SensorModel
from edge_agent.sensors.checksums import crc16
from edge_agent.sensors.driver import RawReading, UartSettings
from edge_agent.sensors.scanners import LineScanner
from edge_agent.transport.uart import Uart

_METRES_PER_SECOND = MappingProxyType({"M": 1.0, "N": 0.514444, "P": 0.44704, "K": 1 / 3.6, "F": 0.00508})
_GILL = re.compile(rb"\x02([A-Z],(\d{3})?,(\d{3}\.\d{2}),([MNPKF]),([0-9A-F]{2}),)\x03([0-9A-F]{2})\r?\n")
_MAX_LINE_BYTES = 64
# exception codes of Modbus (application protocol V1.1b3, section 7) -> what is wrong, and the remedy
_REFUSALS = MappingProxyType({
    1: (Fault.WRONG_SENSOR, "does not know function {function}: try the other one of 3 and 4"),
    2: (Fault.WRONG_SENSOR, "has no register {register}: see its manual"),
    3: (Fault.WRONG_SENSOR, "refuses to give one register alone ({register}): see its manual"),
    4: (Fault.BROKEN, "reports a failure of its own: check or replace it"),
    5: (Fault.NO_ANSWER, "is still working on a question: read it less often"),
    6: (Fault.NO_ANSWER, "is busy: read it less often"),
    10: (Fault.NO_ANSWER, "lies behind a gateway that has no path to it: check the gateway"),
    11: (Fault.NO_ANSWER, "does not answer the gateway before it: check its power and its address"),
})  # fmt: skip
_MODBUS_MODEL = MODELS["modbus_wind"]


class WindVector(NamedTuple):
    """Direction (degrees from north) and speed (m/s); None if the instrument gives none, or the wind is too weak."""

    direction: float | None
    speed: float | None


class GillSettings(UartSettings, frozen=True, kw_only=True, tag_field="driver", tag="gill"):
    """`driver = "gill"`: Gill anemometer; ASCII, polar, continuous.

    baud           speed of the serial port, in baud
    north_degrees  added to the measured direction, if the mast does not face north
    """

    baud: int = 9600
    interval_seconds: float = 10.0
    north_degrees: Annotated[float, Meta(ge=0, lt=360)] = 0.0

    def create_driver(self) -> "Gill":
        """The driver on the kernel's port."""
        return Gill(Uart(self.port, baud=self.baud), north=self.north_degrees)


class ModbusWindSettings(UartSettings, frozen=True, kw_only=True, tag_field="driver", tag="modbus_wind"):
    """`driver = "modbus_wind"`: two holding or input registers of any RS-485 anemometer.

    baud                speed of the serial port, in baud
    unit                Modbus address
    function            Modbus function: 3 holding registers, 4 input registers
    speed_register      register of the wind speed
    direction_register  register of the wind direction
    speed_scale         m/s per register count
    direction_scale     degrees per register count
    north_degrees       added to the measured direction, if the mast does not face north
    """

    baud: int = 9600
    interval_seconds: float = 2.0
    unit: Annotated[int, Meta(ge=1, le=247)] = 1
    function: Annotated[int, Meta(ge=3, le=4)] = 3
    speed_register: Annotated[int, Meta(ge=0, le=65_535)] = 0
    direction_register: Annotated[int, Meta(ge=0, le=65_535)] = 1
    speed_scale: Annotated[float, Meta(gt=0)] = 0.01
    direction_scale: Annotated[float, Meta(gt=0)] = 1.0
    north_degrees: Annotated[float, Meta(ge=0, lt=360)] = 0.0

    def create_driver(self) -> "ModbusWind":
        """The driver on the kernel's port."""
        return ModbusWind(Uart(self.port, baud=self.baud), self)


def create_gill_scanner() -> LineScanner:
    """Return a scanner of an anemometer's lines."""
    return LineScanner(_GILL, checksum_group=6, content_group=0, max_bytes=_MAX_LINE_BYTES)


def decode_gill(line: bytes) -> WindVector:
    """A checked line -> wind; raises SensorError if the instrument reports a fault."""
    match = _GILL.fullmatch(line)
    if match is None:
        raise SensorError(Fault.BAD_FRAME, "not a polar line of a WindSonic: set the instrument to mode M2, polar")
    _, direction, speed, unit, status, _ = match.groups()
    if status not in (b"00", b"60", b"0A"):  # 60, 0A: a good reading with a note to it
        raise SensorError(Fault.BROKEN, f"the anemometer reports status {status.decode()}: something blocks its path")
    return WindVector(float(direction) if direction else None, float(speed) * _METRES_PER_SECOND[unit.decode()])


def combine_winds(model: SensorModel, winds: Sequence[WindVector], *, north: float = 0.0) -> RawReading:
    """Several winds of one instrument -> their mean. Without a measurement: the newest number, as it came."""
    speed_row, direction_row = model.measurement("wind_speed"), model.measurement("wind_direction")
    measured_speeds = [w.speed for w in winds if w.speed is not None and not speed_row.judge(w.speed).flags]
    speed = round(sum(measured_speeds) / len(measured_speeds), 3) if measured_speeds else winds[-1].speed
    weighted = [w if w.speed in measured_speeds else w._replace(speed=None if measured_speeds else 1.0) for w in winds]
    measured = [w for w in weighted if w.direction is None or not direction_row.judge(w.direction).flags]
    direction = mean_direction(measured, north=north) if measured else winds[-1].direction
    return RawReading(values={"wind_speed": speed, "wind_direction": direction})


def mean_direction(winds: Sequence[WindVector], *, north: float = 0.0) -> float | None:
    """Direction of the vector mean, turned by `north` degrees; None if the winds cancel or have no direction."""
    directed = [(math.radians(w.direction), w.speed) for w in winds if w.direction is not None and w.speed]
    eastward = sum(speed * math.sin(angle) for angle, speed in directed)
    northward = sum(speed * math.cos(angle) for angle, speed in directed)
    if math.hypot(eastward, northward) < 1e-9:
        return None
    direction = (math.degrees(math.atan2(eastward, northward)) + north) % 360
    return round(direction, 1) % 360


class Gill:
    """The driver. The instrument talks by itself."""

    model = MODELS["gill"]

    def __init__(self, uart: Uart, *, north: float) -> None:
        self._uart, self._north, self._scanner = uart, north, create_gill_scanner()

    def start(self) -> None:
        """Forget what came while nobody listened."""
        self._uart.discard_input()

    def read(self) -> RawReading:
        """All that came since the last read, as one wind."""
        lines = self._uart.read_all(self._scanner, timeout=5.0)
        return combine_winds(self.model, [decode_gill(line) for line in lines], north=self._north)

    def recover(self) -> None:
        """The port is opened anew."""
        self._uart.reopen()

    def stop(self) -> None:
        """It goes on talking; nobody listens."""


def build_modbus_request(unit: int, function: int, register: int, count: int) -> bytes:
    """The question for `count` registers."""
    body = struct.pack(">BBHH", unit, function, register, count)
    return body + struct.pack("<H", crc16(body))


class ModbusFrameScanner:
    """Waits for the answer to one question: its length is known."""

    def __init__(self, unit: int, function: int, count: int) -> None:
        self.bad_count = 0
        self._head, self._length = bytes([unit, function, 2 * count]), 5 + 2 * count
        self._exception_head = bytes([unit, function | 0x80])
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Bytes in; the registers, or the refusal (1 byte), of answers whose checksum fits out."""
        self._buffer += data
        for head, length in ((self._head, self._length), (self._exception_head, 5)):
            start = self._buffer.find(head)
            if start >= 0 and len(self._buffer) >= start + length:
                frame = bytes(self._buffer[start : start + length])
                del self._buffer[: start + 1]
                if crc16(frame[:-2]) == int.from_bytes(frame[-2:], "little"):
                    self._buffer.clear()
                    yield frame[3:-2] if head is self._head else frame[2:3]
                else:
                    self.bad_count += 1
                return
        del self._buffer[: max(0, len(self._buffer) - 2 * self._length)]


def decode_registers(speed: int, direction: int, settings: ModbusWindSettings) -> RawReading:
    """Two registers -> wind; a register that is the sign of a fault is scaled, flagged and not turned to the north."""
    counts = {"wind_speed": speed, "wind_direction": direction}
    flags = {name: _MODBUS_MODEL.measurement(name).count_flags(count) for name, count in counts.items()}
    scaled = {"wind_speed": speed * settings.speed_scale, "wind_direction": direction * settings.direction_scale}
    sound = {name: None if flags[name] else value for name, value in scaled.items()}
    wind = WindVector(sound["wind_direction"], sound["wind_speed"])
    values = combine_winds(_MODBUS_MODEL, [wind], north=settings.north_degrees).values
    return RawReading(values={name: scaled[name] if flags[name] else values[name] for name in scaled}, flags=flags)


class ModbusWind:
    """The driver. Asks one register after the other, as not every instrument has them side by side."""

    model = _MODBUS_MODEL

    def __init__(self, uart: Uart, settings: ModbusWindSettings) -> None:
        self._uart, self._settings = uart, settings

    def start(self) -> None:
        """One read, to see that somebody is there."""
        self.read()

    def read(self) -> RawReading:
        """The wind now."""
        settings = self._settings
        speed = self._read_register(settings.speed_register)
        return decode_registers(speed, self._read_register(settings.direction_register), settings)

    def recover(self) -> None:
        """The port is opened anew."""
        self._uart.reopen()

    def stop(self) -> None:
        """It speaks only when asked."""

    def _read_register(self, register: int) -> int:
        unit, function = self._settings.unit, self._settings.function
        self._uart.discard_input()
        self._uart.write(build_modbus_request(unit, function, register, 1))
        answer = self._uart.read_newest(ModbusFrameScanner(unit, function, 1), timeout=1.0)
        if len(answer) == 1:
            raise _describe_refusal(unit, function, register, answer[0])
        return int.from_bytes(answer, "big")


def _describe_refusal(unit: int, function: int, register: int, code: int) -> SensorError:
    fault, text = _REFUSALS.get(code, (Fault.WRONG_SENSOR, f"refuses the question with code {code}: see its manual"))
    return SensorError(fault, f"Modbus unit {unit} {text.format(function=function, register=register)}")
