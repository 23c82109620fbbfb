"""The push API of sensor.community: one post for each instrument, which the header X-Pin names by a number.

Pins: sensor.community's documentation of the API ("Sensor PIN"). A pin stands for kinds of instruments that need the
same treatment, so the model of a particle counter is unknown.
"""

from types import MappingProxyType

from edge_agent.sensor_models import MODELS, UNNAMED
from edge_agent.sensors.posts import AIRROHR_QUANTITIES, PostedValue, mark_repeated, read_value
from gateway.adapters.foreign import ForeignMessage, ForeignReading, RefusedError, read_object, require_values

TITLE = "sensor.community"
_MODELS_OF_PINS = MappingProxyType(
    {
        "1": UNNAMED,
        "3": MODELS["bmp180"],
        "7": MODELS["dht22"],
        "11": MODELS["bme280"],
        "13": MODELS["ds18b20"],
        "15": MODELS["dnms"],
        "17": MODELS["scd30"],
    }
)


def parse(message: ForeignMessage) -> list[ForeignReading]:
    """`{"sensordatavalues": [..]}` with the headers X-Sensor and X-Pin."""
    sender, pin = message.headers.get("x-sensor", "").rpartition("-")[2], message.headers.get("x-pin", "")
    if not sender or pin not in _MODELS_OF_PINS:
        pins = ", ".join(_MODELS_OF_PINS)
        raise RefusedError(f"a message of {TITLE} has the headers X-Sensor and X-Pin; X-Pin is one of {pins}")
    items = read_object(message, TITLE).get("sensordatavalues")
    if not isinstance(items, list):
        raise RefusedError(f"no message of {TITLE}: sensordatavalues is no list of values")
    values = list(mark_repeated([_read(item, pin) for item in items if _is_stored(item, pin)]))
    return [ForeignReading(sender=sender, values=require_values(values, TITLE, f"pin {pin} has no such quantity"))]


def _is_stored(item: object, pin: str) -> bool:
    quantity = AIRROHR_QUANTITIES.get(item.get("value_type", "")) if isinstance(item, dict) else None
    return quantity is not None and quantity[0] in _MODELS_OF_PINS[pin].measurements


def _read(item: dict[str, object], pin: str) -> PostedValue:
    name = str(item["value_type"])
    quantity, convert = AIRROHR_QUANTITIES[name]
    return read_value(name, quantity, _MODELS_OF_PINS[pin], item.get("value"), convert=convert)
