"""Encodes and decodes MQTT 3.1.1 packets. Pure. Source: OASIS MQTT 3.1.1, sections 2 and 3.

Only payloads are copied, and a packet is decoded once it is complete: a queue of thousands of batches is read at about
ten microseconds per packet. Of a packet that is longer than any of ours only the beginning is stored, so that no sender
decides how much memory its reader needs.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from struct import Struct
from typing import NamedTuple

_UINT16 = Struct(">H")
_MAX_LENGTH_BYTES = 4  # of the remaining length, at most
MAX_PACKET_BYTES = 2 << 20  # limit of our brokers; a reading batch has at most half of it


class PacketType(IntEnum):
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
    """A published message. `packet_id` identifies it in the acknowledgement; 0 if none is expected."""

    topic: str
    payload: bytes
    packet_id: int
    retained: bool


class Packet(NamedTuple):
    """Any other packet: its type and the bytes after the fixed header."""

    packet_type: int
    body: bytes


class ProtocolError(Exception):
    """The bytes are not MQTT 3.1.1."""


class PacketParser:
    """Splits a stream of bytes into packets; an incomplete packet waits for more bytes.

    A longer packet than MAX_PACKET_BYTES is cut there: the end of its payload is read and forgotten.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._unwanted = 0  # bytes to come of a packet that was cut

    def feed(self, data: bytes) -> Iterator[Message | Packet]:
        """Yield the packets that are complete now. Consume all before feeding more. Raises ProtocolError."""
        buffer = self._buffer
        buffer += data
        begin, size = self._skip_unwanted(0), len(buffer)
        try:
            while size - begin >= 2:
                body_at, length = _decode_length(buffer, begin + 1)
                end = body_at + min(length, MAX_PACKET_BYTES)
                if body_at < 0 or end > size:
                    return
                first_at, self._unwanted = begin, body_at + length - end
                begin = self._skip_unwanted(end)
                yield _decode_packet(buffer, buffer[first_at], body_at, end)
        finally:
            del buffer[:begin]

    def _skip_unwanted(self, begin: int) -> int:
        """Return where the next packet begins, as far as its bytes are here."""
        skipped = min(self._unwanted, len(self._buffer) - begin)
        self._unwanted -= skipped
        return begin + skipped


def _decode_length(buffer: bytearray, start: int) -> tuple[int, int]:
    """Return (start of the body, its length); the start is -1 while bytes are missing. Section 2.2.3."""
    length = 0
    for digit in range(_MAX_LENGTH_BYTES):
        if start + digit >= len(buffer):
            return -1, 0
        byte = buffer[start + digit]
        length |= (byte & 0x7F) << 7 * digit
        if byte < 0x80:
            return start + digit + 1, length
    raise ProtocolError("a packet's length has more than four bytes")


def _decode_packet(buffer: bytearray, first_byte: int, start: int, end: int) -> Message | Packet:
    if first_byte >> 4 != PacketType.PUBLISH:
        return Packet(first_byte >> 4, bytes(buffer[start:end]))
    if (
        end - start < 2
        or (payload_at := start + 2 + _UINT16.unpack_from(buffer, start)[0] + (2 if first_byte & 0x06 else 0)) > end
    ):
        raise ProtocolError("a message ends before its topic does")
    has_packet_id = first_byte & 0x06
    topic = str(buffer[start + 2 : payload_at - 2 if has_packet_id else payload_at], "utf-8", "replace")
    packet_id = _UINT16.unpack_from(buffer, payload_at - 2)[0] if has_packet_id else 0
    return Message(topic, bytes(buffer[payload_at:end]), packet_id, bool(first_byte & 0x01))


def _encode_packet(first_byte: int, body: bytes) -> bytes:
    length, length_bytes = len(body), bytearray()
    while True:
        length, byte = length >> 7, length & 0x7F
        length_bytes.append(byte | (0x80 if length else 0))
        if not length:
            return bytes((first_byte,)) + length_bytes + body


def _encode_text(text: str | bytes) -> bytes:
    raw = text.encode() if isinstance(text, str) else text
    return _UINT16.pack(len(raw)) + raw


def encode_connect(client_id: str, *, username: str | None, password: str | None, keepalive: int) -> bytes:
    """Encode CONNECT to a session that outlives the connection. `keepalive` in seconds."""
    flags = (0x80 if username is not None else 0) | (0x40 if password is not None else 0)
    parts = [_encode_text("MQTT"), bytes((4, flags)), _UINT16.pack(keepalive), _encode_text(client_id)]
    parts += [_encode_text(part) for part in (username, password) if part is not None]
    return _encode_packet(PacketType.CONNECT << 4, b"".join(parts))


def encode_subscribe(packet_id: int, filters: Sequence[str]) -> bytes:
    """Encode SUBSCRIBE at QoS 1."""
    body = _UINT16.pack(packet_id) + b"".join(_encode_text(topic_filter) + b"\x01" for topic_filter in filters)
    return _encode_packet(PacketType.SUBSCRIBE << 4 | 0x02, body)


def encode_publish(topic: str, payload: bytes, *, packet_id: int = 0, retain: bool = False) -> bytes:
    """Encode PUBLISH at QoS 1, or at QoS 0 without a packet id."""
    first_byte = PacketType.PUBLISH << 4 | (0x02 if packet_id else 0) | (0x01 if retain else 0)
    return _encode_packet(first_byte, _encode_text(topic) + (_UINT16.pack(packet_id) if packet_id else b"") + payload)


def encode_puback(messages: Iterable[Message]) -> bytes:
    """Encode PUBACK for each message that needs one, in order."""
    return b"".join(b"\x40\x02" + _UINT16.pack(message.packet_id) for message in messages if message.packet_id)


PINGREQ = _encode_packet(PacketType.PINGREQ << 4, b"")
DISCONNECT = _encode_packet(PacketType.DISCONNECT << 4, b"")
