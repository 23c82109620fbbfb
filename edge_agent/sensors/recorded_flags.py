"""Judge the values of a recording by the table of sensor models: the rule of `replay` and of the backtest. Pure.

A recording seldom names its sensor. Without a name, bounds apply that follow from the quantity.
"""

from edge_agent.recordings.reader import RecordedReading
from edge_agent.sensor_models import ANY, SensorModel
from edge_agent.sensors.judgement import judge_values


def judge_reading(reading: RecordedReading, model: SensorModel = ANY) -> RecordedReading:
    """The reading with the flags of its file and those of the model; a code for "no value" becomes None."""
    values, flags = judge_values(reading.values, model.measurements)
    merged = {name: reading.flags.get(name, 0) | flags.get(name, 0) for name in values}
    return reading._replace(values=values, flags={name: bits for name, bits in merged.items() if bits})
