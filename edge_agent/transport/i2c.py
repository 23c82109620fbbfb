"""I2C over the kernel: plain writes and reads, each its own transaction, errors in sentences.

Sensors share a bus, and so its lock. At 50 kHz the Pi's clock-stretching fault does little harm;
see firmware_configs/boot/.
"""

import errno
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any, Protocol

from edge_agent.errors import Fault, SensorFault

_ABSENT = {errno.EREMOTEIO, errno.ENXIO, errno.EIO, errno.ETIMEDOUT}


class Lines(Protocol):
    """The part of `smbus2.SMBus` that we use."""

    def i2c_rdwr(self, *messages: Any) -> None:  # noqa: ANN401 - smbus2 has no types
        """Carry the messages out in one transaction; OSError when nobody answers."""
        ...

    def close(self) -> None:
        """Let go of the device file."""
        ...


class Bus:
    """One I2C bus, opened when it is first used and again after `reopen`."""

    def __init__(self, number: int, open_lines: Callable[[int], Lines], wait: Callable[[float], None]) -> None:
        self.number, self.wait = number, wait
        self._open, self._lines = open_lines, None  # type: Callable[[int], Lines], Lines | None
        self._lock = threading.RLock()

    def write(self, address: int, data: bytes) -> None:
        """Send bytes to an address."""
        import smbus2  # noqa: PLC0415 - a node without I2C does not pay for it

        self._carry_out(address, smbus2.i2c_msg.write(address, data))

    def read(self, address: int, length: int) -> bytes:
        """Receive `length` bytes from an address."""
        import smbus2  # noqa: PLC0415 - as above

        message = smbus2.i2c_msg.read(address, length)
        self._carry_out(address, message)
        return bytes(message)

    def write_then_read(self, address: int, data: bytes, length: int) -> bytes:
        """Both in one transaction, as register-based chips want it."""
        import smbus2  # noqa: PLC0415 - as above

        message = smbus2.i2c_msg.read(address, length)
        self._carry_out(address, smbus2.i2c_msg.write(address, data), message)
        return bytes(message)

    def reopen(self) -> None:
        """Close the device file, so that the next use opens it anew."""
        with self._lock:
            if self._lines is not None:
                self._lines.close()
                self._lines = None

    def _carry_out(self, address: int, *messages: object) -> None:
        with self._lock:
            try:
                if self._lines is None:
                    self._lines = self._open(self.number)
                self._lines.i2c_rdwr(*messages)
            except OSError as error:
                raise self._fault(address, error) from None

    def _fault(self, address: int, error: OSError) -> SensorFault:
        file = f"/dev/i2c-{self.number}"
        if error.errno == errno.ENOENT:
            return SensorFault(
                Fault.BUS_MISSING, f"{file} is not there: switch I2C on (dtparam=i2c_arm=on in config.txt) and reboot"
            )
        if error.errno in {errno.EACCES, errno.EPERM}:
            return SensorFault(Fault.FORBIDDEN, f"{file} is not ours to use: add the agent's user to the group i2c")
        if error.errno in _ABSENT:
            return SensorFault(
                Fault.NO_ANSWER, f"nobody answers at address 0x{address:02x} of {file}: check plug, power and address"
            )
        return SensorFault(Fault.NO_ANSWER, f"{file}, address 0x{address:02x}: {error.strerror or error}")


def _open_kernel_bus(number: int) -> Lines:
    import smbus2  # noqa: PLC0415 - as above

    lines: Lines = smbus2.SMBus(number)
    return lines


@cache
def bus(number: int) -> Bus:
    """The one Bus of this number; sensors on it share its lock."""
    return Bus(number, _open_kernel_bus, time.sleep)
