"""PurpleAir's local page (`/json?live=true`), polled or posted: two counters of one air, degrees Fahrenheit.

The counters check each other. If they differ by 5 ug/m3 and by 61 % or more of their mean, neither is believed:
the rule of Barkjohn and others (Atmos. Meas. Tech. 14, 4617, 2021), there for daily means.
"""

from collections.abc import Iterator, Mapping

from edge_agent.recordings.units import fahrenheit, same
from edge_agent.sensors.posts import PostedValue, Refusal, parse_number
from gateway.adapters.foreign import (
    Columns,
    ForeignMessage,
    ForeignReading,
    read_columns,
    read_object,
    read_sender,
    require_values,
)

TITLE = "PurpleAir"
_COUNTERS: Columns = {
    "pm1_0_atm": ("pm1", same),
    "pm2_5_atm": ("pm2_5", same),
    "pm10_0_atm": ("pm10", same),
}
_CLIMATE: Columns = {
    "current_temp_f": ("temperature", fahrenheit),
    "current_humidity": ("humidity", same),
    "pressure": ("pressure", same),
}
_DIFFERENCE = 5.0  # ug/m3
_RELATIVE_DIFFERENCE = 0.61


def parse(message: ForeignMessage) -> list[ForeignReading]:
    """The object of the page; SensorId names the device."""
    content = read_object(message, TITLE)
    values = [*_read_counters(content), *read_columns(content, _CLIMATE, "purpleair")]
    sender = read_sender(content, "SensorId", "Geo", format_title=TITLE)
    return [ForeignReading(sender=sender, values=require_values(values, TITLE, "it has no pm2_5_atm"))]


def _read_counters(content: Mapping[str, object]) -> Iterator[PostedValue]:
    for value in read_columns(content, _COUNTERS, "purpleair"):
        second = parse_number(content.get(f"{value.name}_b"))
        if value.value is not None and not isinstance(second, Refusal) and _disagree(value.value, second):
            yield value._replace(value=None, refusal=Refusal.COUNTERS_DISAGREE)
        else:
            yield value


def _disagree(first: float, second: float) -> bool:
    difference = abs(first - second)
    return difference >= _DIFFERENCE and difference >= _RELATIVE_DIFFERENCE * (first + second) / 2
