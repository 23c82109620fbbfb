"""The sensors of a node, made from its settings: nothing is started, but what cannot go together is refused."""

from collections.abc import Sequence

from edge_agent.configuration import ConfigurationError
from edge_agent.sensor_state import SensorState
from edge_agent.sensors.bme68x import Bme68xSettings
from edge_agent.sensors.davis import DavisSettings
from edge_agent.sensors.driver import Driver
from edge_agent.sensors.esp32 import Esp32Sensor, Esp32Settings
from edge_agent.sensors.gps import GpsSettings
from edge_agent.sensors.opcn3 import Opcn3Settings
from edge_agent.sensors.pid import PidSettings
from edge_agent.sensors.pms import PmsSettings
from edge_agent.sensors.polled import PolledSensor, SharedConditions
from edge_agent.sensors.replay import ReplaySettings
from edge_agent.sensors.sds011 import Sds011Settings
from edge_agent.sensors.sen5x import Sen5xSettings
from edge_agent.sensors.sen66 import Sen66Settings
from edge_agent.sensors.sensor import Sensor
from edge_agent.sensors.sgp4x import Sgp4xSettings
from edge_agent.sensors.simulated import SimulatedSettings
from edge_agent.sensors.sps30 import Sps30Settings
from edge_agent.sensors.wind import GillSettings, ModbusWindSettings

WiredSettings = (
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
SensorSettings = SimulatedSettings | ReplaySettings | Esp32Settings | Sgp4xSettings | WiredSettings


def create_sensors(settings: Sequence[SensorSettings], sensor_state: SensorState) -> list[Sensor]:
    """The sensors, not yet started; ConfigurationError where two claim one place, name or property."""
    conditions = SharedConditions()
    _check_endpoints(settings)
    sensors = [_create_sensor(sensor_settings, conditions, sensor_state) for sensor_settings in settings]
    _check_names_and_properties(sensors)
    return sensors


def _create_sensor(settings: SensorSettings, conditions: SharedConditions, sensor_state: SensorState) -> Sensor:
    match settings:
        case SimulatedSettings() | ReplaySettings():
            return settings.create_sensor()
        case Esp32Settings():
            return Esp32Sensor(settings)
        case Sgp4xSettings():
            driver: Driver = settings.create_driver(conditions.humidity_and_temperature)
        case _:
            driver = settings.create_driver()
    return PolledSensor(sensor_name(settings), driver, settings, conditions=conditions, sensor_state=sensor_state)


def sensor_name(settings: Esp32Settings | Sgp4xSettings | WiredSettings) -> str:
    """The name given, or the driver and where it sits."""
    if isinstance(settings, Esp32Settings):
        return f"esp32 {settings.sender}"
    return settings.name or f"{settings.__struct_config__.tag} at {settings.endpoint}"


def _check_endpoints(settings: Sequence[SensorSettings]) -> None:
    occupants: dict[str, str] = {}
    for sensor_settings in settings:
        if isinstance(sensor_settings, SimulatedSettings | ReplaySettings):
            continue
        if sensor_settings.endpoint in occupants:
            names = f"{occupants[sensor_settings.endpoint]} and {sensor_name(sensor_settings)}"
            raise ConfigurationError(
                f"sensor: {names} both claim {sensor_settings.endpoint}: put one of them on another bus"
            )
        occupants[sensor_settings.endpoint] = sensor_name(sensor_settings)


def _check_names_and_properties(sensors: Sequence[Sensor]) -> None:
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
