"""Judge the values of a recording by the table of sensor models: the rule of `replay` and of the backtest. Pure.

The operator, the format or a column of the file names the sensor. Without a name, bounds apply that follow from the
quantity; they also apply to quantities that the model does not measure.
"""

from edge_agent.recordings.recording import RecordedReading
from edge_agent.sensor_models import ANY, find_model
from edge_agent.sensors.judgement import judge_values


def judge_reading(reading: RecordedReading) -> RecordedReading:
    """The reading with the flags of its file and those of its model; a code for "no value" becomes None."""
    model = find_model(reading.model) or ANY
    values, flags = judge_values(reading.values, {**ANY.measurements, **model.measurements})
    merged = {name: reading.flags.get(name, 0) | flags.get(name, 0) for name in values}
    return reading._replace(values=values, flags={name: bits for name, bits in merged.items() if bits})
