"""SPI over the kernel's spidev: full-duplex transfers, errors in sentences."""

import errno
import time
from collections.abc import Callable
from typing import Any

from edge_agent.errors import Fault, SensorError


class Spi:
    """One chip select, opened when it is first used and again after `reopen`."""

    def __init__(
        self, bus: int, chip: int, *, speed: int, mode: int, wait: Callable[[float], None] = time.sleep
    ) -> None:
        self.wait = wait
        self._bus_and_chip, self._speed, self._mode = (bus, chip), speed, mode
        self._device_file: Any = None

    def transfer(self, data: bytes) -> bytes:
        """Send bytes and return those that came back meanwhile."""
        try:
            if self._device_file is None:
                self._device_file = self._open()
            return bytes(self._device_file.xfer(list(data)))
        except OSError as error:
            self.reopen()
            raise self._build_error(error) from None

    def reopen(self) -> None:
        """Close the device file, so that the next use opens it anew."""
        if self._device_file is not None:
            self._device_file.close()
            self._device_file = None

    def _open(self) -> Any:  # noqa: ANN401 - spidev has no types
        try:
            import spidev  # noqa: PLC0415 - a node without SPI sensors needs no spidev
        except ImportError:
            raise SensorError(Fault.BUS_MISSING, "spidev is not installed: apt install python3-spidev") from None
        spi_device = spidev.SpiDev()
        spi_device.open(*self._bus_and_chip)
        spi_device.max_speed_hz, spi_device.mode = self._speed, self._mode
        return spi_device

    def _build_error(self, error: OSError) -> SensorError:
        file = "/dev/spidev{}.{}".format(*self._bus_and_chip)
        if error.errno == errno.ENOENT:
            return SensorError(
                Fault.BUS_MISSING, f"{file} is not there: switch SPI on (dtparam=spi=on in config.txt) and reboot"
            )
        if error.errno in {errno.EACCES, errno.EPERM}:
            return SensorError(Fault.FORBIDDEN, f"{file} is not ours to use: add the agent's user to the group spi")
        return SensorError(Fault.NO_ANSWER, f"{file}: {error.strerror or error}")
