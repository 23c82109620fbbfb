"""Choose which instrument of a sensor board measures the ambient air, and name the values of the others. Pure.

The rule (ADR 101): never a heated inlet or the inside of a housing; then the instrument that the operator names; then
the order of the table of sensor models. A worse instrument does not replace a better one while the agent runs. A
missing value is then a gap, and not a step to another instrument. Then judge each value by the row of its model.
"""

import logging
from collections.abc import Iterable, Mapping

from edge_agent.sensor_models import AMBIENT_ORDER, UNNAMED, Inlet, SensorModel, instrument_property
from edge_agent.sensors.driver import RawReading
from edge_agent.sensors.posts import PostedValue
from edge_agent.wire import Flag

_LOG = logging.getLogger(__name__)
_EXTRAPOLATED = ("pm4", "pm10")


class AmbientInstruments:
    """The instruments of one board; `choices` maps a quantity to the model that measures it in the ambient air."""

    def __init__(self, pinned: Mapping[str, str]) -> None:
        self._pinned = pinned
        self.choices: dict[str, str] = dict(pinned)

    def place(self, values: Iterable[PostedValue]) -> dict[str, PostedValue]:
        """Property -> value. The ambient instrument has the name of its quantity, the others have their own."""
        placed: dict[str, PostedValue] = {}
        known_values = [(value, value.model) for value in values if value.model is not None]
        for value, model in known_values:
            self._consider(value.quantity, model)
        for value, model in known_values:
            placed.setdefault(self._name(value.quantity, model), value)
        return placed

    def _name(self, quantity: str, model: SensorModel) -> str:
        return quantity if self.choices.get(quantity) == model.name else instrument_property(quantity, model.name)

    def _consider(self, quantity: str, model: SensorModel) -> None:
        if quantity in self._pinned or model.measurement(quantity).inlet is not Inlet.AMBIENT:
            return
        present = self.choices.get(quantity)
        if present is None or AMBIENT_ORDER.index(model.name) < AMBIENT_ORDER.index(present):
            self.choices[quantity] = model.name
            _LOG.info("%s of the ambient air comes from %s now", quantity, model.title)


def judge_post(placed: Mapping[str, PostedValue]) -> RawReading:
    """Posted values -> values and flags by the rows of their models. A refused value is None and a fault."""
    values: dict[str, float | None] = {}
    flags: dict[str, int] = {}
    for name, posted in placed.items():
        row = (posted.model or UNNAMED).measurement(posted.quantity)
        values[name], flags[name] = row.judge(posted.value)
        if posted.refusal is not None:
            flags[name] |= Flag.SENSOR_FAULT
        if posted.quantity in _EXTRAPOLATED:
            flags[name] |= Flag.SIZE_EXTRAPOLATED
    return RawReading(values=values, flags=flags)
