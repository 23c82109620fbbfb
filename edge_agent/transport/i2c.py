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

from edge_agent.errors import Fault, SensorError

_ABSENT_ERRNOS = {errno.EREMOTEIO, errno.ENXIO, errno.EIO, errno.ETIMEDOUT}


class I2cDeviceFile(Protocol):
    """The part of `smbus2.SMBus` that we use."""

    def i2c_rdwr(self, *messages: Any) -> None:  # noqa: ANN401 - smbus2 has no types
        """Carry the messages out in one transaction; OSError when no device answers."""
        ...

    def close(self) -> None:
        """Let go of the device file."""
        ...


class I2cBus:
    """One I2C bus, opened when it is first used and again after `reopen`."""

    def __init__(
        self, number: int, open_device_file: Callable[[int], I2cDeviceFile], wait: Callable[[float], None]
    ) -> None:
        self.number, self.wait = number, wait
        self._open_device_file = open_device_file
        self._device_file: I2cDeviceFile | None = None
        self._lock = threading.RLock()

    def write(self, address: int, data: bytes) -> None:
        """Send bytes to an address."""
        import smbus2  # noqa: PLC0415 - a node without I2C does not pay for it

        self._transfer(address, smbus2.i2c_msg.write(address, data))

    def read(self, address: int, length: int) -> bytes:
        """Receive `length` bytes from an address."""
        import smbus2  # noqa: PLC0415 - as above

        message = smbus2.i2c_msg.read(address, length)
        self._transfer(address, message)
        return bytes(message)

    def write_then_read(self, address: int, data: bytes, length: int) -> bytes:
        """Both in one transaction, as register-based chips want it."""
        import smbus2  # noqa: PLC0415 - as above

        message = smbus2.i2c_msg.read(address, length)
        self._transfer(address, smbus2.i2c_msg.write(address, data), message)
        return bytes(message)

    def reopen(self) -> None:
        """Close the device file, so that the next use opens it anew."""
        with self._lock:
            if self._device_file is not None:
                self._device_file.close()
                self._device_file = None

    def _transfer(self, address: int, *messages: object) -> None:
        with self._lock:
            try:
                if self._device_file is None:
                    self._device_file = self._open_device_file(self.number)
                self._device_file.i2c_rdwr(*messages)
            except OSError as error:
                raise self._build_error(address, error) from None

    def _build_error(self, address: int, error: OSError) -> SensorError:
        file = f"/dev/i2c-{self.number}"
        if error.errno == errno.ENOENT:
            return SensorError(
                Fault.BUS_MISSING, f"{file} is not there: switch I2C on (dtparam=i2c_arm=on in config.txt) and reboot"
            )
        if error.errno in {errno.EACCES, errno.EPERM}:
            return SensorError(Fault.FORBIDDEN, f"{file} is not ours to use: add the agent's user to the group i2c")
        if error.errno in _ABSENT_ERRNOS:
            return SensorError(
                Fault.NO_ANSWER,
                f"no device answers at address 0x{address:02x} of {file}: check plug, power and address",
            )
        return SensorError(Fault.NO_ANSWER, f"{file}, address 0x{address:02x}: {error.strerror or error}")


def _open_smbus(number: int) -> I2cDeviceFile:
    import smbus2  # noqa: PLC0415 - as above

    smbus: I2cDeviceFile = smbus2.SMBus(number)
    return smbus


@cache
def get_bus(number: int) -> I2cBus:
    """The one Bus of this number; sensors on it share its lock."""
    return I2cBus(number, _open_smbus, time.sleep)
