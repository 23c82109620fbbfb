"""A serial line: bytes in, bytes out, never waiting longer than told, errors in sentences."""

import errno
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from edge_agent.errors import Fault, SensorFault


class Frames(Protocol):
    """A pure splitter of a byte stream: bytes in, whole and checked frames out."""

    bad: int  # frames that did not pass their check so far

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take bytes, yield the frames that are complete now."""
        ...


class Uart:
    """One serial port, opened when it is first used and again after `reopen`."""

    def __init__(self, port: str, *, baud: int = 9600) -> None:
        self.port, self._baud = port, baud
        self._line: Any = None

    def write(self, data: bytes) -> None:
        """Send bytes."""
        self._use(lambda line: line.write(data))

    def newest(self, frames: Frames, patience: float) -> bytes:
        """The last of the frames that have come; waits up to `patience` seconds for the first of them."""
        return self.arrived(frames, patience)[-1]

    def arrived(self, frames: Frames, patience: float) -> list[bytes]:
        """All frames that have come, at least one; waits up to `patience` seconds for the first of them."""
        until = time.monotonic() + patience
        found: list[bytes] = []
        before = frames.bad
        while not found or self._waiting():
            data = self._use(lambda line: line.read(max(1, min(4096, line.in_waiting))))
            found += frames.feed(data)
            if not found and time.monotonic() > until:
                raise self._nothing(frames.bad - before, patience)
        return found

    def forget(self) -> None:
        """Throw away what has come and was not read."""
        self._use(lambda line: line.reset_input_buffer())

    def _nothing(self, bad: int, patience: float) -> SensorFault:
        if bad:
            return SensorFault(Fault.BAD_CHECKSUM, f"{self.port}: {bad} broken frames and no good one; check the cable")
        return SensorFault(
            Fault.NO_ANSWER, f"{self.port}: nothing in {patience:g} s; check plug, power, RX and TX, and the speed"
        )

    def reopen(self) -> None:
        """Close the port, so that the next use opens it anew."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def _waiting(self) -> bool:
        return bool(self._use(lambda line: line.in_waiting))

    def _use(self, work: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - pyserial is loaded when there is a port
        import serial  # noqa: PLC0415 - a node without serial sensors does not pay for it

        try:
            if self._line is None:
                self._line = serial.Serial(self.port, self._baud, timeout=0.2, write_timeout=1.0, exclusive=True)
            return work(self._line)
        except (OSError, serial.SerialException) as error:
            self.reopen()
            raise self._fault(error) from None

    def _fault(self, error: OSError) -> SensorFault:
        if error.errno == errno.ENOENT:
            return SensorFault(
                Fault.BUS_MISSING, f"{self.port} is not there: plug it in, or switch the serial port on in config.txt"
            )
        if error.errno in {errno.EACCES, errno.EPERM}:
            return SensorFault(
                Fault.FORBIDDEN, f"{self.port} is not ours to use: add the agent's user to the group dialout"
            )
        if error.errno in {errno.EAGAIN, errno.EBUSY}:
            return SensorFault(Fault.FORBIDDEN, f"{self.port} is used by another program; stop it")
        return SensorFault(Fault.NO_ANSWER, f"{self.port}: {error}; check plug and power")
