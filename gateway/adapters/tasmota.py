"""Tasmota's telemetry (`tele/<device>/SENSOR`): an object for each instrument. Its time is local and has no offset."""

import re
from collections.abc import Iterator, Mapping

from edge_agent.recordings.units import Conversion, fahrenheit, find_conversion, same
from edge_agent.sensor_models import UNNAMED
from edge_agent.sensors.posts import PostedValue, find_instrument, mark_repeated, read_value
from gateway.adapters.foreign import ForeignMessage, ForeignReading, RefusedError, read_object, require_values

TITLE = "Tasmota"
_TOPIC = re.compile(r"tele/(.+)/SENSOR")
_QUANTITIES = {
    "PM1": "pm1",
    "PM2.5": "pm2_5",
    "PM4": "pm4",
    "PM10": "pm10",
    "Temperature": "temperature",
    "Humidity": "humidity",
    "Pressure": "pressure",
    "CarbonDioxide": "co2",
    "Noise": "sound_laeq",
}
_NAMES = {"SDS0X1": "sds011", "PMSX003": "pms", "HPMA": "hpm"}  # as Tasmota calls what the table calls otherwise


def parse(message: ForeignMessage) -> list[ForeignReading]:
    """The topic names the device."""
    topic = _TOPIC.fullmatch(message.topic)
    if topic is None:
        raise RefusedError(f"a message of {TITLE} comes by MQTT under tele/<device>/SENSOR, not {message.topic!r}")
    content = read_object(message, TITLE)
    values = list(mark_repeated(list(_read(content))))
    hint = f"no instrument in it has {', '.join(_QUANTITIES)}"
    return [ForeignReading(sender=topic[1], values=require_values(values, TITLE, hint))]


def _read(content: Mapping[str, object]) -> Iterator[PostedValue]:
    conversions: dict[str, Conversion | None] = {
        "temperature": fahrenheit if content.get("TempUnit") == "F" else same,
        "pressure": find_conversion(str(content.get("PressureUnit", "hPa")), "pressure"),
    }
    for instrument, fields in content.items():
        if isinstance(fields, dict):
            base = re.sub(r"[-_]\d+$", "", instrument)  # a second one of a model has a number: BME280-76
            for name, quantity in _QUANTITIES.items():
                if name in fields:
                    model = find_instrument(_NAMES.get(base, base), quantity) or UNNAMED
                    yield read_value(
                        f"{instrument}_{name}", quantity, model, fields[name], convert=conversions.get(quantity, same)
                    )
