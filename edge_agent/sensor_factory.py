"""The sensors of a node, made from its settings: nothing is started, but what cannot go together is refused."""

from collections.abc import Sequence

from edge_agent.configuration import ConfigurationError
from edge_agent.sensor_state import Memory
from edge_agent.sensors.bme68x import Bme68xSettings
from edge_agent.sensors.davis import DavisSettings
from edge_agent.sensors.esp32 import Esp32, Esp32Settings
from edge_agent.sensors.gps import GpsSettings
from edge_agent.sensors.opcn3 import Opcn3Settings
from edge_agent.sensors.pid import PidSettings
from edge_agent.sensors.pms import PmsSettings
from edge_agent.sensors.polled import Polled, Surroundings
from edge_agent.sensors.replay import ReplaySettings
from edge_agent.sensors.sds011 import Sds011Settings
from edge_agent.sensors.sen5x import Sen5xSettings
from edge_agent.sensors.sen66 import Sen66Settings
from edge_agent.sensors.sensor import Sensor
from edge_agent.sensors.sgp4x import Sgp4xSettings
from edge_agent.sensors.simulated import SimulatedSettings
from edge_agent.sensors.sps30 import Sps30Settings
from edge_agent.sensors.wind import GillSettings, ModbusWindSettings

Wired = (
    Sps30Settings
    | Sen5xSettings
    | Sen66Settings
    | PmsSettings
    | Sds011Settings
    | Opcn3Settings
    | Bme68xSettings
    | PidSettings
    | GillSettings
    | DavisSettings
    | ModbusWindSettings
    | GpsSettings
)
SensorSettings = SimulatedSettings | ReplaySettings | Esp32Settings | Sgp4xSettings | Wired


def assemble(settings: Sequence[SensorSettings], memory: Memory) -> list[Sensor]:
    """The sensors, not yet started; ConfigurationError where two claim one place, name or property."""
    surroundings = Surroundings()
    _no_clash(settings)
    sensors = [_sensor(one, surroundings, memory) for one in settings]
    _no_twins(sensors)
    return sensors


def _sensor(settings: SensorSettings, surroundings: Surroundings, memory: Memory) -> Sensor:
    match settings:
        case SimulatedSettings() | ReplaySettings():
            return settings.open()
        case Esp32Settings():
            return Esp32(settings)
        case Sgp4xSettings():
            device = settings.device(surroundings.air)
            return Polled(title(settings), device, settings, surroundings=surroundings, memory=memory)
        case _:
            return Polled(title(settings), settings.device(), settings, surroundings=surroundings, memory=memory)


def title(settings: Esp32Settings | Sgp4xSettings | Wired) -> str:
    """The name given, or the driver and where it sits."""
    if isinstance(settings, Esp32Settings):
        return f"esp32 {settings.sender}"
    return settings.name or f"{settings.__struct_config__.tag} at {settings.place}"


def _no_clash(settings: Sequence[SensorSettings]) -> None:
    seen: dict[str, str] = {}
    for one in settings:
        if isinstance(one, SimulatedSettings | ReplaySettings):
            continue
        if one.place in seen:
            raise ConfigurationError(
                f"sensor: {seen[one.place]} and {title(one)} both claim {one.place}: put one of them on another bus"
            )
        seen[one.place] = title(one)


def _no_twins(sensors: Sequence[Sensor]) -> None:
    names: set[str] = set()
    owners: dict[str, str] = {}
    for sensor in sensors:
        if sensor.name in names:
            raise ConfigurationError(f"sensor: two sensors are called {sensor.name!r}; give one another `name`")
        names.add(sensor.name)
        for name in sensor.properties:
            if name in owners:
                raise ConfigurationError(
                    f"sensor: {name} comes from {owners[name]} and from {sensor.name}; "
                    "leave it out of one of them with `properties`"
                )
            owners[name] = sensor.name
