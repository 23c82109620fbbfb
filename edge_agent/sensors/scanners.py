"""Scanners that extract checked frames or lines from the byte stream of a serial sensor.

They implement `transport.uart.FrameSplitter` and hold no port, so that tests feed them bytes. Bytes that belong to no
frame are skipped. A frame or line with a wrong checksum is counted in `bad_count` and skipped; nothing is raised. The
buffer stays shorter than a frame or than `max_bytes`, whatever the port receives.
"""

import re
from collections.abc import Callable, Iterator

from edge_agent.sensors.checksums import xor_checksum
from edge_agent.sensors.driver import RawReading
from edge_agent.transport.uart import Uart
from edge_agent.wire import Flag


class FrameScanner:
    """Scanner of binary frames of `length` bytes that begin with `head`. `is_valid` checks a whole frame."""

    def __init__(self, head: bytes, length: int, is_valid: Callable[[bytes], bool]) -> None:
        self.bad_count = 0
        self._head, self._length, self._is_valid = head, length, is_valid
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take bytes, yield the whole valid frames."""
        self._buffer += data
        while (start := self._buffer.find(self._head)) >= 0 and len(self._buffer) >= start + self._length:
            frame = bytes(self._buffer[start : start + self._length])
            if self._is_valid(frame):
                del self._buffer[: start + self._length]
                yield frame
            else:
                self.bad_count += 1
                del self._buffer[: start + 1]  # a frame may begin inside the invalid one
        del self._buffer[: max(0, len(self._buffer) - self._length + 1) if start < 0 else start]


class LineScanner:
    """Scanner of ASCII lines whose checksum is the exclusive or of the pattern's group 1, in hexadecimal.

    pattern         a whole line
    checksum_group  group of the pattern with the checksum
    content_group   group that `feed` yields; 0: the whole line
    max_bytes       longest unfinished line in the buffer
    is_wanted       given the content of a valid line: whether to yield it; None: yield all
    """

    def __init__(
        self,
        pattern: re.Pattern[bytes],
        *,
        checksum_group: int,
        content_group: int,
        max_bytes: int,
        is_wanted: Callable[[bytes], bool] | None = None,
    ) -> None:
        self.bad_count = 0
        self._pattern, self._checksum_group, self._content_group = pattern, checksum_group, content_group
        self._max_bytes, self._is_wanted = max_bytes, is_wanted
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take bytes, yield the content of the whole valid lines."""
        self._buffer += data
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[: end + 1])
            del self._buffer[: end + 1]
            match = self._pattern.search(line)
            if match is None or xor_checksum(match[1]) != int(match[self._checksum_group], 16):
                self.bad_count += 1
            elif self._is_wanted is None or self._is_wanted(match[self._content_group]):
                yield match[self._content_group]
        if len(self._buffer) > self._max_bytes:
            del self._buffer[: -self._max_bytes]


def read_newest_frame(
    uart: Uart,
    scanner: FrameScanner,
    decode: Callable[[bytes], RawReading],
    *,
    timeout: float,
    check: Callable[[list[bytes]], None] = lambda _: None,
) -> RawReading:
    """Decode the newest frame. If invalid frames came since the last read, its values get the flag CHECKSUM_RETRY.

    check  is given all frames that came, and raises SensorError if they cannot be of one sensor
    """
    bad_before = scanner.bad_count
    frames = uart.read_all(scanner, timeout=timeout)
    check(frames)
    raw = decode(frames[-1])
    if scanner.bad_count == bad_before:
        return raw
    return RawReading(
        values=raw.values, flags={name: raw.flags.get(name, 0) | Flag.CHECKSUM_RETRY for name in raw.values}
    )
