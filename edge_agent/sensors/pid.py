"""A photo-ionisation detector behind an ADS1115: volatile organics as isobutylene-equivalent ppb.

ppb = (voltage - zero) / sensitivity * response factor. A lamp that has failed, or has not struck,
shows as a voltage below the electronics' own offset: reported, never published as clean air.
Source: ADS1115 datasheet SBAS444; Alphasense PID-AH2 technical specification.
"""

import struct
from typing import Annotated

from msgspec import Meta

from edge_agent.errors import Fault, SensorError
from edge_agent.sensor_models import MODELS
from edge_agent.sensors.driver import I2cSettings, RawReading
from edge_agent.transport.i2c import I2cBus, get_bus

_MODEL = MODELS["pid"]
_CONVERSION, _CONFIG = 0x00, 0x01
_LSB = 4.096 / 32_768  # volts a count at a full scale of +-4.096 V
# one conversion now; gain 1; single shot; 128 samples a second; comparator off
_SINGLE_SHOT = 0x8000 | (0b001 << 9) | (1 << 8) | (0b100 << 5) | 0b11
_DONE = 0x8000


class PidSettings(I2cSettings, frozen=True, kw_only=True, tag_field="driver", tag="pid"):
    """`driver = "pid"`: photo-ionisation detector on an ADC.

    zero_mv and sensitivity_mv_per_ppm are of the calibration of this one sensor.

    channel                 channel of the ADC
    zero_mv                 output in clean air
    sensitivity_mv_per_ppm  output per ppm of isobutylene
    response_factor         1 for isobutylene itself
    lamp_fault_mv           output below which the lamp has failed
    """

    address: int = 0x48
    channel: Annotated[int, Meta(ge=0, le=3)] = 0
    zero_mv: float
    sensitivity_mv_per_ppm: Annotated[float, Meta(gt=0)]
    response_factor: Annotated[float, Meta(gt=0)] = 1.0
    lamp_fault_mv: float = 25.0

    def create_driver(self) -> "Pid":
        """The driver on the kernel's bus."""
        return Pid(get_bus(self.bus), self)


def decode(content: bytes, settings: PidSettings) -> RawReading:
    """The conversion register (2 bytes) -> ppb; raises SensorError if the lamp is out."""
    (counts,) = struct.unpack(">h", content)
    millivolts = counts * _LSB * 1000
    if millivolts < settings.lamp_fault_mv:
        raise SensorError(
            Fault.BROKEN, f"the PID gives {millivolts:.1f} mV: the lamp is out; clean it, replace it, check its supply"
        )
    ppm = (millivolts - settings.zero_mv) / settings.sensitivity_mv_per_ppm * settings.response_factor
    # at the end of the converter's scale any sensitivity gives a number that looks like others
    return RawReading(
        values={"voc_ppb": round(ppm * 1000, 1)}, flags={"voc_ppb": _MODEL.measurement("voc_ppb").count_flags(counts)}
    )


class Pid:
    """The driver. The converter measures on request."""

    model = _MODEL

    def __init__(self, bus: I2cBus, settings: PidSettings) -> None:
        self._bus, self._settings = bus, settings
        self._configuration = _SINGLE_SHOT | ((0b100 | settings.channel) << 12)

    def start(self) -> None:
        """One conversion, to see that somebody is there."""
        self.read()

    def read(self) -> RawReading:
        """One conversion, which takes 8 ms."""
        address = self._settings.address
        self._bus.write(address, struct.pack(">BH", _CONFIG, self._configuration))
        for _ in range(5):
            self._bus.wait(0.009)
            (config,) = struct.unpack(">H", self._bus.write_then_read(address, bytes([_CONFIG]), 2))
            if config & 0x7000 != self._configuration & 0x7000:
                raise SensorError(Fault.NOT_MEASURING, "the ADS1115 forgot its channel: it lost power")
            if config & _DONE:
                return decode(self._bus.write_then_read(address, bytes([_CONVERSION]), 2), self._settings)
        raise SensorError(Fault.NO_ANSWER, f"the ADS1115 at 0x{address:02x} does not finish a conversion: replace it")

    def recover(self) -> None:
        """The bus is opened anew."""
        self._bus.reopen()

    def stop(self) -> None:
        """It sleeps by itself."""
