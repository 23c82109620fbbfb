"""Simulated sensor hardware: state machines that measure, clean, brown out and fail as scripted.

The I2C messages are real `smbus2.i2c_msg`; serial sensors are behind a pty.
"""

import binascii
import errno
import os
import random
import struct
import threading
import time
import tty
from collections import deque
from collections.abc import Callable, Iterable

from edge_agent.sensors.checksums import crc8, crc16
from edge_agent.transport.i2c import I2cBus


class FakeChip:
    """A chip at an I2C address."""

    def written(self, data: bytes) -> None:
        raise NotImplementedError

    def answer(self, length: int) -> bytes:
        raise NotImplementedError


class FakeDeviceFile:
    """Stand-in for `smbus2.SMBus`."""

    def __init__(self, chips: dict[int, FakeChip]) -> None:
        self.chips, self.open = chips, True

    def i2c_rdwr(self, *messages) -> None:
        assert self.open
        for message in messages:
            chip = self.chips.get(message.addr)
            if chip is None:
                raise OSError(errno.EREMOTEIO, "Remote I/O error")
            if message.flags & 1:
                for i, byte in enumerate(chip.answer(message.len)):
                    message.buf[i] = byte.to_bytes(1, "big")
            else:
                chip.written(bytes(message))

    def close(self) -> None:
        self.open = False


def make_bus(chips: dict[int, FakeChip], *, wait: Callable[[float], None] = lambda _: None) -> I2cBus:
    return I2cBus(1, lambda _: FakeDeviceFile(chips), wait)


def pack_words(content: bytes) -> bytes:
    """Content with the checksums of Sensirion."""
    return b"".join(content[i : i + 2] + bytes([crc8(content[i : i + 2])]) for i in range(0, len(content), 2))


class FakeSensirion(FakeChip):
    """A Sensirion sensor: `answers` maps commands to content; `script` holds one misbehaviour a transaction.

    nack       no answer
    crc        a byte of the answer is wrong
    short      the answer stops half-way (the rest reads as FF)
    brown_out  forgets that it was started
    """

    def __init__(self, *, start: int, answers: dict[int, bytes], unknown: dict[int, bytes]) -> None:
        self.start, self.answers, self.unknown = start, answers, unknown
        self.measuring, self.fresh, self.plugged = False, True, True
        self.script: deque[str] = deque()
        self.commands: list[int] = []
        self.command = 0

    def written(self, data: bytes) -> None:
        self._misbehave({"nack", "brown_out"})
        self.command = int.from_bytes(data[:2], "big")
        self.commands.append(self.command)
        assert pack_words(bytes(b for i in range(2, len(data), 3) for b in data[i : i + 2])) == data[2:]
        if self.command == self.start:
            self.measuring = True
        elif self.command in {0x0104, 0xD304}:
            self.measuring = False

    def answer(self, length: int) -> bytes:
        fault = self._misbehave({"nack", "crc", "short"})
        if self.command == 0x0202:
            content = bytes([0, self.fresh and self.measuring])
        elif not self.measuring and self.command in self.unknown:
            content = self.unknown[self.command]
        else:
            content = self.answers[self.command]
        frame = bytearray(pack_words(content).ljust(length, b"\xff"))
        if fault == "crc":
            frame[2] ^= 0x40
        if fault == "short":
            frame[length // 2 :] = b"\xff" * (length - length // 2)
        return bytes(frame[:length])

    def _misbehave(self, possible: set[str]) -> str | None:
        if not self.plugged:
            raise OSError(errno.EREMOTEIO, "Remote I/O error")
        fault = self.script.popleft() if self.script and self.script[0] in possible else None
        if fault == "nack":
            raise OSError(errno.EREMOTEIO, "Remote I/O error")
        if fault == "brown_out":
            self.measuring = False
        return fault


def sps30() -> FakeSensirion:
    values = struct.pack(">10f", 5.5, 12.1, 13.0, 14.25, 30.0, 31.0, 32.0, 33.0, 34.0, 0.5)
    return FakeSensirion(
        start=0x0010,
        answers={0x0300: values, 0xD002: b"00080000", 0xD206: bytes(4)},
        unknown={0x0300: struct.pack(">10f", *[float("nan")] * 10)},
    )


def sen5x() -> FakeSensirion:
    return FakeSensirion(
        start=0x0021,
        answers={
            0x03C4: struct.pack(">4H4h", 55, 121, 130, 142, 6543, 4210, 1000, 10),
            0x03D2: struct.pack(">2h2H", 6543, 4210, 30_512, 16_480),
            0xD014: b"SEN55".ljust(32, b"\0"),
            0xD206: bytes(4),
        },
        unknown={
            0x03C4: struct.pack(">4H4h", *[0xFFFF] * 4, *[0x7FFF] * 4),
            0x03D2: struct.pack(">2h2H", 0x7FFF, 0x7FFF, 0xFFFF, 0xFFFF),
        },
    )


def sen66() -> FakeSensirion:
    return FakeSensirion(
        start=0x0021,
        answers={
            0x0300: struct.pack(">4H4hH", 55, 121, 130, 142, 6543, 4210, 1000, 10, 431),
            0x0405: struct.pack(">2h3H", 6543, 4210, 30_512, 16_480, 433),
            0xD014: b"SEN66".ljust(32, b"\0"),
            0xD206: bytes(4),
        },
        unknown={
            0x0300: struct.pack(">4H4hH", *[0xFFFF] * 4, *[0x7FFF] * 4, 0xFFFF),
            0x0405: struct.pack(">2h3H", 0x7FFF, 0x7FFF, 0xFFFF, 0xFFFF, 0xFFFF),
        },
    )


def sgp41() -> FakeSensirion:
    return FakeSensirion(
        start=0,
        answers={
            0x280E: b"\xd4\x00",
            0x2612: struct.pack(">H", 30_400),
            0x2619: struct.pack(">2H", 30_512, 16_480),
        },
        unknown={},
    )


class FakeAds1115(FakeChip):
    """The converter of a PID."""

    def __init__(self, millivolts: float) -> None:
        self.millivolts, self.pointer, self.config = millivolts, 0, 0x8583

    def written(self, data: bytes) -> None:
        self.pointer = data[0]
        if len(data) == 3:
            self.config = int.from_bytes(data[1:], "big")

    def answer(self, length: int) -> bytes:
        if self.pointer == 1:
            return struct.pack(">H", self.config | 0x8000)[:length]
        return struct.pack(">h", round(self.millivolts / 1000 / 4.096 * 32_768))[:length]


class FakeOpcn3:
    """An OPC-N3 as an Spi: busy for a while, then ready; counts once fan and laser are on."""

    def __init__(self, *, busy: int = 2) -> None:
        self.busy, self.busy_left = busy, busy
        self.powered: set[int] = set()
        self.expected_bytes, self.command, self.noise = 0, 0, False

    def wait(self, _seconds: float) -> None: ...

    def reopen(self) -> None: ...

    def transfer(self, data: bytes) -> bytes:
        (byte,) = data
        if self.expected_bytes:
            return bytes([self._next(byte)])
        if self.busy_left:
            self.busy_left -= 1
            return b"\x31"
        self.busy_left, self.command = self.busy, byte
        self.expected_bytes = {0x03: 1, 0x30: 86}.get(byte, 0)
        return b"\xf3"

    def _next(self, byte: int) -> int:
        at = 86 - self.expected_bytes
        self.expected_bytes -= 1
        if self.command == 0x03:
            (self.powered.discard if byte in {2, 6} else self.powered.add)({2: 3, 6: 7}.get(byte, byte))
            return byte
        frame = self.frame()
        return frame[at] ^ (0x10 if self.noise and at == 60 else 0)

    def frame(self) -> bytes:
        counting = {3, 7} <= self.powered
        fields = [*range(24), 1, 2, 3, 4, 1000, 280 if counting else 0, 24_000, 42_000, 5.5, 12.1, 20.25, *[0] * 6]
        body = struct.pack("<24H4B4H3f6H", *fields)
        return body + struct.pack("<H", crc16(body))


class FakeSerialDevice:
    """Something that talks on a serial line: a pty, and a thread that plays `script` into it."""

    def __init__(self, script: Iterable[bytes], *, pause: float = 0.02) -> None:
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        self._slave: int | None = slave
        self._script, self._pause = script, pause
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._talk, daemon=True)

    def start(self) -> None:
        """Start sending; bytes sent before the port is open are lost, as on a real line."""
        self._thread.start()

    def _talk(self) -> None:
        for chunk in self._script:
            if self._stop.is_set():
                return
            if chunk:
                os.write(self._master, chunk)
            time.sleep(self._pause)

    def read_received(self) -> bytes:
        os.set_blocking(self._master, False)
        try:
            return os.read(self._master, 4096)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        os.close(self._master)
        if self._slave is not None:
            os.close(self._slave)


def pms_frame(pm1: int = 5, pm2_5: int = 12, pm10: int = 20) -> bytes:
    body = b"\x42\x4d\x00\x1c" + struct.pack(">13H", 4, 11, 19, pm1, pm2_5, pm10, 900, 300, 60, 10, 4, 2, 0x9700)
    return body + struct.pack(">H", sum(body))


SDS011_FRAME = bytes.fromhex("aa c0 d4 04 3a 0a a1 60 1d ab")  # the example of the maker's protocol V1.3


def davis_frame(*, mph: int = 12, direction: int = 229, fahrenheit: float = 51.8, humidity: int = 78) -> bytes:
    """A LOOP packet by the maker's table: fields in place, line end, CRC-CCITT, most significant byte first."""
    body = bytearray(97)
    body[:3], body[95:] = b"LOO", b"\n\r"
    struct.pack_into("<h", body, 12, round(fahrenheit * 10))
    body[14], body[33] = mph, humidity
    struct.pack_into("<H", body, 16, direction)
    return bytes(body) + binascii.crc_hqx(bytes(body), 0).to_bytes(2, "big")


class FakeBme680(FakeChip):
    """The registers of a BME680: identity, a calibration, and one measurement that is always new."""

    def __init__(self, *, pressure: int = 0x50000, temperature: int = 0x78000, humidity: int = 0x5000) -> None:
        noise = random.Random(0)
        self.pointer = 0
        self.registers = bytearray(noise.randrange(1, 100) for _ in range(256))
        self.registers[0xD0] = 0x61
        measurement = (pressure << 4).to_bytes(3, "big") + (temperature << 4).to_bytes(3, "big")
        measurement += humidity.to_bytes(2, "big") + bytes([0, 0, 0, 0x40, 0x34, 0x40, 0x34])
        self.measurement = bytes([0x80, 0, *measurement])

    def written(self, data: bytes) -> None:
        self.pointer = data[0]
        if len(data) > 1 and self.pointer != 0xE0:
            self.registers[self.pointer : self.pointer + len(data) - 1] = data[1:]
        self.registers[0x1D : 0x1D + 17] = self.measurement

    def answer(self, length: int) -> bytes:
        return bytes(self.registers[self.pointer : self.pointer + length]).ljust(length, b"\0")
