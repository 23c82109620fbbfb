"""Bosch BME680 and BME688: temperature, humidity, pressure, and the gas plate's resistance in ohm.

The resistance is published as it is: the maker's index is a closed program and relative to its own
past. The arithmetic of the compensation is that of the `bme680` package (Pimoroni, MIT, after
Bosch's driver), which takes our bus as its own.
"""

from typing import Annotated, Any

from msgspec import Meta

from edge_agent.errors import Fault, SensorError
from edge_agent.sensor_models import MODELS
from edge_agent.sensors.driver import I2cSettings, RawReading
from edge_agent.transport.i2c import I2cBus, get_bus

_MODEL = MODELS["bme68x"]
_FIELD, _FIELD_BYTES = 0x1D, 17  # registers of one measurement: status, pressure, temperature, humidity, gas


class Bme68xSettings(I2cSettings, frozen=True, kw_only=True, tag_field="driver", tag="bme68x"):
    """`driver = "bme68x"`: Bosch BME680 or BME688.

    heater_celsius  temperature of the heated plate at each reading
    heater_ms       time that the plate is heated
    """

    address: int = 0x76
    interval_seconds: float = 3.0
    heater_celsius: Annotated[int, Meta(ge=200, le=400)] = 320
    heater_ms: Annotated[int, Meta(ge=1, le=4032)] = 150

    def create_driver(self) -> "Bme68x":
        """The driver on the kernel's bus."""
        return Bme68x(get_bus(self.bus), self)


class SmbusAdapter:
    """Our bus in the shape in which the package wants one."""

    def __init__(self, bus: I2cBus) -> None:
        self._bus = bus
        self.field = bytes(_FIELD_BYTES)  # the newest measurement as the registers have it

    def read_byte_data(self, address: int, register: int) -> int:
        """One register."""
        return self._bus.write_then_read(address, bytes([register]), 1)[0]

    def read_i2c_block_data(self, address: int, register: int, length: int) -> list[int]:
        """Registers in a row."""
        content = self._bus.write_then_read(address, bytes([register]), length)
        if (register, length) == (_FIELD, _FIELD_BYTES):
            self.field = content
        return list(content)

    def write_byte_data(self, address: int, register: int, value: int) -> None:
        """Set one register."""
        self._bus.write(address, bytes([register, value]))

    def write_i2c_block_data(self, address: int, register: int, values: list[int]) -> None:
        """Set registers in a row."""
        self._bus.write(address, bytes([register, *values]))


def skipped(field: bytes) -> set[str]:
    """Registers of a measurement -> the quantities that the chip left out, which compensate to a plausible number."""
    counts = {
        "pressure": int.from_bytes(field[2:5], "big") >> 4,
        "temperature": int.from_bytes(field[5:8], "big") >> 4,
        "humidity": int.from_bytes(field[8:10], "big"),
    }
    absent = {name for name, count in counts.items() if count in _MODEL.measurement(name).no_value}
    # pressure, humidity and the gas plate are compensated with the temperature
    return {*counts, "voc_ohm"} if "temperature" in absent else absent


class Bme68x:
    """The driver. The sensor measures on request."""

    model = _MODEL

    def __init__(self, bus: I2cBus, settings: Bme68xSettings) -> None:
        self._bus, self._settings = bus, settings
        self._adapter = SmbusAdapter(bus)
        self._chip: Any = None

    def start(self) -> None:
        """Identify, read the factory's calibration, set the heater."""
        import bme680  # noqa: PLC0415 - a node without the sensor does not pay for it

        address = self._settings.address
        try:
            chip = bme680.BME680(i2c_addr=address, i2c_device=self._adapter)
            chip.set_gas_heater_temperature(self._settings.heater_celsius)
            chip.set_gas_heater_duration(self._settings.heater_ms)
            chip.select_gas_heater_profile(0)
        except SensorError:
            raise
        except (RuntimeError, ArithmeticError, ValueError, IndexError) as error:
            raise SensorError(Fault.WRONG_SENSOR, f"at 0x{address:02x} sits no BME68x ({error})") from None
        self._chip = chip

    def read(self) -> RawReading:
        """One measurement; the resistance is None until the plate is hot."""
        if self._chip is None:
            raise SensorError(Fault.NOT_MEASURING, "the BME68x was not started")
        self._bus.wait(self._settings.heater_ms / 1000)
        try:
            has_data = self._chip.get_sensor_data()
        except (ArithmeticError, ValueError, IndexError):
            raise SensorError(
                Fault.BAD_FRAME, "the BME68x gives registers that cannot be: check cable and power"
            ) from None
        if not has_data:
            raise SensorError(Fault.NOT_MEASURING, "the BME68x has no new values: it lost power")
        data, absent = self._chip.data, skipped(self._adapter.field)
        values: dict[str, float | None] = {
            "temperature": round(data.temperature, 2),
            "humidity": round(data.humidity, 3),
            "pressure": round(data.pressure, 2),
            "voc_ohm": float(round(data.gas_resistance)) if data.heat_stable else None,
        }
        return RawReading(values={name: None if name in absent else value for name, value in values.items()})

    def recover(self) -> None:
        """The bus is opened anew; starting resets the chip."""
        self._bus.reopen()

    def stop(self) -> None:
        """It sleeps by itself."""
