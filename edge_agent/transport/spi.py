"""SPI over the kernel's spidev: full-duplex transfers, errors in sentences."""

import errno
import time
from collections.abc import Callable
from typing import Any

from edge_agent.errors import Fault, SensorFault


class Spi:
    """One chip select, opened when it is first used and again after `reopen`."""

    def __init__(
        self, bus: int, device: int, *, speed: int, mode: int, wait: Callable[[float], None] = time.sleep
    ) -> None:
        self.wait = wait
        self._place, self._speed, self._mode = (bus, device), speed, mode
        self._line: Any = None

    def transfer(self, data: bytes) -> bytes:
        """Send bytes and return those that came back meanwhile."""
        try:
            if self._line is None:
                self._line = self._open()
            return bytes(self._line.xfer(list(data)))
        except OSError as error:
            self.reopen()
            raise self._fault(error) from None

    def reopen(self) -> None:
        """Close the device file, so that the next use opens it anew."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def _open(self) -> Any:  # noqa: ANN401 - spidev has no types
        try:
            import spidev  # noqa: PLC0415 - a node without SPI sensors needs no spidev
        except ImportError:
            raise SensorFault(Fault.BUS_MISSING, "spidev is not installed: apt install python3-spidev") from None
        line = spidev.SpiDev()
        line.open(*self._place)
        line.max_speed_hz, line.mode = self._speed, self._mode
        return line

    def _fault(self, error: OSError) -> SensorFault:
        file = "/dev/spidev{}.{}".format(*self._place)
        if error.errno == errno.ENOENT:
            return SensorFault(
                Fault.BUS_MISSING, f"{file} is not there: switch SPI on (dtparam=spi=on in config.txt) and reboot"
            )
        if error.errno in {errno.EACCES, errno.EPERM}:
            return SensorFault(Fault.FORBIDDEN, f"{file} is not ours to use: add the agent's user to the group spi")
        return SensorFault(Fault.NO_ANSWER, f"{file}: {error.strerror or error}")
