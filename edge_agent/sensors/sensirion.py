"""I2C protocol of all Sensirion sensors: 16-bit commands, and words of two bytes with a CRC-8 each.

Source: any Sensirion I2C datasheet, section "Checksum Calculation".
"""

import struct
from collections.abc import Iterable

from edge_agent.errors import Fault, SensorError
from edge_agent.sensors.checksums import crc8
from edge_agent.transport.i2c import I2cBus


def unpack_words(frame: bytes, length: int) -> bytes:
    """Words with checksums -> `length` bytes of content; raises SensorError if a checksum is wrong."""
    if len(frame) != length // 2 * 3:
        raise SensorError(Fault.BAD_FRAME, f"{len(frame)} bytes where {length // 2 * 3} were expected")
    content = bytearray()
    for offset in range(0, len(frame), 3):
        word = frame[offset : offset + 2]
        if crc8(word) != frame[offset + 2]:
            raise SensorError(
                Fault.BAD_CHECKSUM,
                f"the checksum of word {offset // 3} does not fit: check the cable, its length, 50 kHz",
            )
        content += word
    return bytes(content)


def pack_words(words: Iterable[int]) -> bytes:
    """Words -> words with checksums."""
    return b"".join(raw + bytes([crc8(raw)]) for raw in (struct.pack(">H", word) for word in words))


class SensirionI2c:
    """One Sensirion sensor on a bus."""

    def __init__(self, bus: I2cBus, address: int) -> None:
        self.bus, self.address = bus, address

    def send_command(self, command: int, *words: int, pause: float = 0.02) -> None:
        """A command with arguments; the sensor is busy for `pause` seconds."""
        self.bus.write(self.address, struct.pack(">H", command) + pack_words(words))
        self.bus.wait(pause)

    def query(self, command: int, length: int, *words: int, pause: float = 0.02) -> bytes:
        """A command whose answer has `length` bytes of content."""
        self.send_command(command, *words, pause=pause)
        return unpack_words(self.bus.read(self.address, length // 2 * 3), length)

    def query_text(self, command: int, length: int = 32) -> str:
        """A command whose answer is a name, ended by a zero byte."""
        return self.query(command, length).split(b"\0")[0].decode("ascii", "replace")
