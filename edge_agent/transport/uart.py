"""A serial line: bytes in, bytes out, with time limits, and errors as sentences."""

import errno
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from edge_agent.errors import Fault, SensorError


class FrameSplitter(Protocol):
    """A pure splitter of a byte stream: bytes in, whole and checked frames out."""

    bad_count: int  # frames that did not pass their check so far

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take bytes, yield the frames that are complete now."""
        ...


class Uart:
    """One serial port, opened when it is first used and again after `reopen`."""

    def __init__(self, port: str, *, baud: int = 9600) -> None:
        self.port, self._baud = port, baud
        self._serial_port: Any = None

    def write(self, data: bytes) -> None:
        """Send bytes."""
        self._with_port(lambda line: line.write(data))

    def read_newest(self, splitter: FrameSplitter, timeout: float) -> bytes:
        """The last of the frames that have come; waits up to `timeout` seconds for the first of them."""
        return self.read_all(splitter, timeout)[-1]

    def read_all(self, splitter: FrameSplitter, timeout: float) -> list[bytes]:
        """All frames that have come, at least one; waits up to `timeout` seconds for the first of them."""
        deadline = time.monotonic() + timeout
        frames: list[bytes] = []
        bad_before = splitter.bad_count
        while not frames or self._has_input():
            data = self._with_port(lambda line: line.read(max(1, min(4096, line.in_waiting))))
            frames += splitter.feed(data)
            if not frames and time.monotonic() > deadline:
                raise self._build_timeout_error(splitter.bad_count - bad_before, timeout)
        return frames

    def discard_input(self) -> None:
        """Throw away what has come and was not read."""
        self._with_port(lambda line: line.reset_input_buffer())

    def _build_timeout_error(self, bad_count: int, timeout: float) -> SensorError:
        if bad_count:
            return SensorError(
                Fault.BAD_CHECKSUM, f"{self.port}: {bad_count} broken frames and no good one; check the cable"
            )
        return SensorError(
            Fault.NO_ANSWER, f"{self.port}: nothing in {timeout:g} s; check plug, power, RX and TX, and the speed"
        )

    def reopen(self) -> None:
        """Close the port, so that the next use opens it anew."""
        if self._serial_port is not None:
            self._serial_port.close()
            self._serial_port = None

    def _has_input(self) -> bool:
        return bool(self._with_port(lambda line: line.in_waiting))

    def _with_port(self, operation: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - pyserial is loaded when there is a port
        import serial  # noqa: PLC0415 - a node without serial sensors does not pay for it

        try:
            if self._serial_port is None:
                self._serial_port = serial.Serial(self.port, self._baud, timeout=0.2, write_timeout=1.0, exclusive=True)
            return operation(self._serial_port)
        except (OSError, serial.SerialException) as error:
            self.reopen()
            raise self._build_error(error) from None

    def _build_error(self, error: OSError) -> SensorError:
        if error.errno == errno.ENOENT:
            return SensorError(
                Fault.BUS_MISSING, f"{self.port} is not there: plug it in, or switch the serial port on in config.txt"
            )
        if error.errno in {errno.EACCES, errno.EPERM}:
            return SensorError(
                Fault.FORBIDDEN, f"{self.port} is not ours to use: add the agent's user to the group dialout"
            )
        if error.errno in {errno.EAGAIN, errno.EBUSY}:
            return SensorError(Fault.FORBIDDEN, f"{self.port} is used by another program; stop it")
        return SensorError(Fault.NO_ANSWER, f"{self.port}: {error}; check plug and power")
