"""Judge the values of a recording by the ranges of sensors: the rule of `replay` and of the gateway's backtest. Pure.

A recording seldom names its sensor, so the ranges are those of the sensor boards of others and of wind sensors. A value
outside is flagged out_of_range and stays as it is.
"""

from edge_agent.recordings.reader import RecordedReading
from edge_agent.sensors import wind
from edge_agent.sensors.esp32 import RANGES
from edge_agent.wire import Flag

_RANGES = {**RANGES, **wind.RANGES}
_PHYSICAL_BOUND = 1e9  # no quantity is larger in any unit of the registry


def judge_value(observed_property: str, value: float | None) -> int:
    """The flags that a value gets on any way in."""
    lowest, highest = _RANGES.get(observed_property, (-_PHYSICAL_BOUND, _PHYSICAL_BOUND))
    return 0 if value is None or lowest <= value <= highest else int(Flag.OUT_OF_RANGE)


def judge_reading(reading: RecordedReading) -> RecordedReading:
    """The reading with the flags of its file and those of the ranges."""
    flags = {name: reading.flags.get(name, 0) | judge_value(name, value) for name, value in reading.values.items()}
    return reading._replace(flags={name: bits for name, bits in flags.items() if bits})
