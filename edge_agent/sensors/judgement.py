"""Judge the values of a reading by the table of sensor models, and name what is no ambient air. Pure.

Everything that a sensor reports passes here before another sensor, a batch or a person gets it. A value stays as the
sensor gave it; a number that is no measurement is flagged, and "no value" is None.
"""

from collections.abc import Mapping

import msgspec

from edge_agent.sensor_models import PHYSICAL, PHYSICAL_BOUND, Measurement, SensorModel
from edge_agent.sensors.driver import Range, RawReading
from edge_agent.sensors.sensor import Reading


class ReadingJudge:
    """The rows of one sensor, with the ranges that an operator made narrower (reported property -> range)."""

    def __init__(self, model: SensorModel, ranges: Mapping[str, Range]) -> None:
        self._names = model.reported_names
        self._rows = {
            quantity: row.narrow(ranges[name]) if (name := self._names[quantity]) in ranges else row
            for quantity, row in model.measurements.items()
        }

    def judge(self, raw: RawReading) -> RawReading:
        """The result of a driver -> the properties that the node reports, each with the flags of its model."""
        judged = {quantity: self._rows.get(quantity, PHYSICAL).judge(value) for quantity, value in raw.values.items()}
        names = {quantity: self._names.get(quantity, quantity) for quantity in judged}
        return RawReading(
            values={names[quantity]: value.value for quantity, value in judged.items()},
            flags={names[quantity]: value.flags | raw.flags.get(quantity, 0) for quantity, value in judged.items()},
            fresh=raw.fresh,
            position=raw.position,
        )


def judge_values(
    values: Mapping[str, float | None], rows: Mapping[str, Measurement]
) -> tuple[dict[str, float | None], dict[str, int]]:
    """Values of a recording -> values and flags, by these rows; a property without one has the physical bound."""
    judged = {name: rows.get(name, PHYSICAL).judge(value) for name, value in values.items()}
    flags = {name: value.flags for name, value in judged.items() if value.flags}
    return {name: value.value for name, value in judged.items()}, flags


def apply_physical_bound(reading: Reading) -> Reading:
    """The same reading, in which a value beyond any physical bound is flagged, and NaN and infinity are None."""
    if all(value is None or -PHYSICAL_BOUND <= value <= PHYSICAL_BOUND for value in reading.values.values()):
        return reading
    values, flags = judge_values(reading.values, {})
    merged = {name: flags.get(name, 0) | reading.flags.get(name, 0) for name in values}
    return msgspec.structs.replace(reading, values=values, flags={name: flag for name, flag in merged.items() if flag})
