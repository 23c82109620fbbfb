"""Find frames of fixed length in a byte stream, for drivers on a serial line. Pure."""

from collections.abc import Callable, Iterator


class FrameScanner:
    """Returns frames that begin with `head` and are valid; skips all other bytes and counts invalid frames.

    Memory is bounded: bytes that cannot begin a frame are dropped at once.
    """

    def __init__(self, head: bytes, length: int, is_valid: Callable[[bytes], bool]) -> None:
        self.bad_count = 0
        self._head, self._length, self._is_valid = head, length, is_valid
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take bytes, yield the frames that are complete now."""
        self._buffer += data
        while (start := self._buffer.find(self._head)) >= 0 and len(self._buffer) >= start + self._length:
            frame = bytes(self._buffer[start : start + self._length])
            if self._is_valid(frame):
                del self._buffer[: start + self._length]
                yield frame
            else:
                self.bad_count += 1
                del self._buffer[: start + 1]  # a frame may begin inside an invalid one
        del self._buffer[: max(0, len(self._buffer) - self._length + 1) if start < 0 else start]
