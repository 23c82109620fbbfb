"""`piekwacht-agent sensors`: what sits on the buses of this machine, and the table to put into agent.toml for it."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from edge_agent.errors import Fault, SensorError
from edge_agent.sensors.bme68x import Bme68xSettings
from edge_agent.sensors.driver import Driver
from edge_agent.sensors.sen5x import Sen5xSettings
from edge_agent.sensors.sen66 import Sen66Settings
from edge_agent.sensors.sgp4x import Sgp4xSettings
from edge_agent.sensors.sps30 import Sps30Settings
from edge_agent.transport.i2c import I2cBus, get_bus

_DRIVERS_BY_ADDRESS: dict[int, tuple[tuple[str, Callable[[int], Driver]], ...]] = {
    0x59: (("sgp4x", lambda n: Sgp4xSettings(bus=n).create_driver(lambda: (None, None))),),
    0x69: (
        ("sps30", lambda n: Sps30Settings(bus=n).create_driver()),
        ("sen5x", lambda n: Sen5xSettings(bus=n).create_driver()),
    ),
    0x6B: (("sen66", lambda n: Sen66Settings(bus=n).create_driver()),),
    0x76: (("bme68x", lambda n: Bme68xSettings(bus=n, address=0x76).create_driver()),),
    0x77: (("bme68x", lambda n: Bme68xSettings(bus=n, address=0x77).create_driver()),),
}
_LIKELY_CHIPS = {**dict.fromkeys(range(0x48, 0x4C), "an ADS1115 (pid?)"), 0x68: "a DS3231 clock?"}
_PORTS = ("serial/by-id/*", "serial0", "ttyAMA*", "ttyS0", "ttyUSB*", "ttyACM*")


def scan_buses(folder: Path = Path("/dev"), open_bus: Callable[[int], I2cBus] = get_bus) -> Iterator[str]:
    """Lines for a person, one a thing found."""
    numbers = sorted(int(path.name.removeprefix("i2c-")) for path in folder.glob("i2c-*"))
    if not numbers:
        yield "no I2C bus: switch it on with dtparam=i2c_arm=on in config.txt and reboot"
    for number in numbers:
        yield from _scan_bus(open_bus(number))
    ports = sorted({str(path) for pattern in _PORTS for path in folder.glob(pattern)})
    yield from (f"{port}: a serial port; pms, sds011, gill, davis, modbus_wind or gps may sit there" for port in ports)
    yield from (f"{path}: SPI; an opcn3 may sit there" for path in sorted(folder.glob("spidev*")))


def _scan_bus(bus: I2cBus) -> Iterator[str]:
    file = f"/dev/i2c-{bus.number}"
    has_answer = False
    for address in range(0x08, 0x78):
        try:
            bus.read(address, 1)
        except SensorError as fault:
            if fault.reason in {Fault.FORBIDDEN, Fault.BUS_MISSING}:
                yield str(fault)
                return
            continue
        has_answer = True
        yield f"{file}, address 0x{address:02x}: {_identify_sensor(bus.number, address)}"
    if not has_answer:
        yield f"{file}: no device answers; check plugs and power"


def _identify_sensor(number: int, address: int) -> str:
    failures: Sequence[str] = []
    for name, create_driver in _DRIVERS_BY_ADDRESS.get(address, ()):
        driver = create_driver(number)
        try:
            driver.start()
            driver.stop()
        except SensorError as fault:
            failures = [*failures, str(fault)]
        else:
            return f'{name}: [[sensor]] driver = "{name}", bus = {number}, address = 0x{address:02x}'
    return "; ".join(failures) or _LIKELY_CHIPS.get(address, "unknown to us")
