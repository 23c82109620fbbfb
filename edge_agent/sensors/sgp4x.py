"""Sensirion SGP40 and SGP41: raw ticks of a VOC and (SGP41) a NOx pixel. Ticks FALL when VOC rises.

The pixels need the air's humidity and temperature, which another sensor of the kit gives; without
one the maker's defaults (50 % RH, 25 degrees) are used. The SGP41's NOx pixel is conditioned for ten
seconds after a start, and never longer. Source: SGP40 datasheet 1.2, SGP41 datasheet 1.0.
"""

import struct
from collections.abc import Callable
from typing import Literal

from edge_agent.errors import Fault, SensorError
from edge_agent.sensor_models import MODELS
from edge_agent.sensors.driver import I2cSettings, RawReading
from edge_agent.sensors.sensirion import SensirionI2c
from edge_agent.transport.i2c import I2cBus, get_bus

_MEASURE_40, _CONDITION_41, _MEASURE_41 = 0x260F, 0x2612, 0x2619
_SELF_TEST, _SERIAL, _HEATER_OFF = 0x280E, 0x3682, 0x3615
_CONDITIONING = 10  # readings, one a second; longer harms the pixel

ConditionsReader = Callable[[], tuple[float | None, float | None]]
"""Returns relative humidity (%) and temperature (degrees C) of another sensor."""


class Sgp4xSettings(I2cSettings, frozen=True, kw_only=True, tag_field="driver", tag="sgp4x"):
    """`driver = "sgp4x"`: Sensirion SGP40 or SGP41. Its heaters depend on one reading per second.

    model  model of the sensor
    """

    address: int = 0x59
    model: Literal["sgp40", "sgp41"] = "sgp41"

    def create_driver(self, read_conditions: ConditionsReader) -> "Sgp4x":
        """The driver on the kernel's bus."""
        return Sgp4x(get_bus(self.bus), self.address, model=self.model, read_conditions=read_conditions)


def to_ticks(humidity: float | None, temperature: float | None) -> tuple[int, int]:
    """% RH and degrees C -> the words the sensor wants."""
    rh = 50.0 if humidity is None else min(100.0, max(0.0, humidity))
    celsius = 25.0 if temperature is None else min(130.0, max(-45.0, temperature))
    return round(rh * 65_535 / 100), round((celsius + 45) * 65_535 / 175)


def decode(content: bytes) -> RawReading:
    """2 bytes (VOC) or 4 bytes (VOC, NOx) of content -> ticks."""
    names = ("voc_raw", "nox_raw")[: len(content) // 2]
    words = struct.unpack(f">{len(names)}H", content)
    return RawReading(values={name: float(word) for name, word in zip(names, words, strict=True)})


class Sgp4x:
    """The driver. The sensor measures on request."""

    def __init__(
        self, bus: I2cBus, address: int = 0x59, *, model: str = "sgp41", read_conditions: ConditionsReader
    ) -> None:
        self.model = MODELS[model]
        self._i2c, self._read_conditions, self._has_nox = SensirionI2c(bus, address), read_conditions, model == "sgp41"
        self._conditioning_count = 0

    def start(self) -> None:
        """Self-test; the conditioning begins with the next readings."""
        (result,) = struct.unpack(">H", self._i2c.query(_SELF_TEST, 2, pause=0.32))
        if result & (0x03 if self._has_nox else 0) or (not self._has_nox and result != 0xD400):
            raise SensorError(Fault.BROKEN, f"the SGP4x fails its own test (0x{result:04x}): replace it")
        self._conditioning_count = 0

    def read(self) -> RawReading:
        """VOC ticks, and NOx ticks (None while that pixel is conditioned)."""
        words = to_ticks(*self._read_conditions())
        if not self._has_nox:
            return decode(self._i2c.query(_MEASURE_40, 2, *words, pause=0.03))
        if self._conditioning_count < _CONDITIONING:
            self._conditioning_count += 1
            voc = decode(self._i2c.query(_CONDITION_41, 2, *words, pause=0.05))
            return RawReading(values={**voc.values, "nox_raw": None})
        return decode(self._i2c.query(_MEASURE_41, 4, *words, pause=0.05))

    def recover(self) -> None:
        """The bus is opened anew, the heater switched off and on."""
        self._i2c.bus.reopen()
        self._i2c.send_command(_HEATER_OFF, pause=0.001)

    def stop(self) -> None:
        """Heater off."""
        self._i2c.send_command(_HEATER_OFF, pause=0.001)
