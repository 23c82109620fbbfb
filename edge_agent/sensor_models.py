"""Read sensor_models.toml: what each sensor model measures of each property, and which numbers are no measurement.

`Measurement.judge` is the rule of every way in: a value first passes it, and is converted, averaged or shared only
afterwards. Drivers, the posts of sensor boards, replay and the gateway's backtest call it. Pure; without numpy.
"""

import math
import re
import tomllib
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import msgspec
from msgspec import Struct

from edge_agent.wire import Flag

PHYSICAL_BOUND = 1e9  # in any unit: no quantity that a node measures is larger

# Codes that instruments and loggers write for "no value". In the unit of its property a range shows them; before a
# conversion they are no measurement: 65535 Pa are no 655 hPa.
CODES_OF_NO_VALUE = frozenset({65_535.0, 32_767.0, -32_768.0, 6553.5, 3276.7, -999.0, -999.9, -9999.0, 99_999.0})


class Inlet(StrEnum):
    """Place of the air that is measured."""

    AMBIENT = "ambient"
    HEATED = "heated"
    INSIDE = "inside"


class JudgedValue(NamedTuple):
    """A value to store, and the `wire.Flag` bits that its model gives it."""

    value: float | None
    flags: int


class Measurement(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One property of one model; the table's head explains each field. The default knows only the physical bound."""

    range: tuple[float, float] = (-PHYSICAL_BOUND, PHYSICAL_BOUND)
    resolution: float | None = None
    settling_seconds: float = 0.0
    no_value: tuple[float, ...] = ()
    beyond_range: tuple[float, ...] = ()
    fault: tuple[float, ...] = ()
    counts_per_unit: float = 1.0
    driver_converts: bool = False
    inlet: Inlet = Inlet.AMBIENT

    def decode_count(self, count: float) -> float | None:
        """A number of the frame -> its value; None for a number that means "no value"."""
        return None if count in self.no_value else count / self.counts_per_unit

    def count_flags(self, count: float) -> int:
        """Flags of a number of the frame."""
        flags = Flag.OUT_OF_RANGE if count in self.beyond_range else Flag(0)
        return int(flags | Flag.SENSOR_FAULT if count in self.fault else flags)

    def judge(self, value: float | None) -> JudgedValue:
        """A value in the property's unit -> what is stored of it: the same number, or None if there is no number."""
        if value is None:
            return JudgedValue(None, 0)
        if not math.isfinite(value):
            return JudgedValue(None, int(Flag.SENSOR_FAULT))
        flags = 0 if self.range[0] <= value <= self.range[1] else int(Flag.OUT_OF_RANGE)
        if self.driver_converts:
            return JudgedValue(value, flags)
        count = round(value * self.counts_per_unit, 3)
        return JudgedValue(None, 0) if count in self.no_value else JudgedValue(value, flags | self.count_flags(count))

    def narrow(self, limits: tuple[float, float]) -> "Measurement":
        """The same row with a range that an operator made narrower."""
        lowest, highest = max(self.range[0], limits[0]), min(self.range[1], limits[1])
        return msgspec.structs.replace(self, range=(lowest, highest))


class SensorModel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model: its rows, and their data sheet."""

    name: str
    title: str
    source: str
    aliases: tuple[str, ...] = ()
    posted: bool = False
    measurements: dict[str, Measurement] = {}

    @property
    def reported_names(self) -> dict[str, str]:
        """Quantity -> the property under which a node reports it: only ambient air has the name of its quantity."""
        return {
            quantity: quantity if row.inlet is Inlet.AMBIENT else instrument_property(quantity, self.name)
            for quantity, row in self.measurements.items()
        }

    def measurement(self, observed_property: str) -> Measurement:
        """The row of a property; without one, the physical bound."""
        return self.measurements.get(observed_property, PHYSICAL)


class _ModelFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    ambient_order: tuple[str, ...]
    model: list[SensorModel]


PHYSICAL = Measurement()  # of a property without a row
_FILE = msgspec.convert(
    tomllib.loads(Path(__file__).with_name("sensor_models.toml").read_text(encoding="utf-8")), _ModelFile
)
MODELS: Mapping[str, SensorModel] = MappingProxyType({model.name: model for model in _FILE.model})
AMBIENT_ORDER = _FILE.ambient_order
ANY, UNNAMED = MODELS["any"], MODELS["unnamed"]


def _normalise(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


_BY_ALIAS = {_normalise(alias): model for model in _FILE.model for alias in (model.name, *model.aliases)}


def find_model(text: str) -> SensorModel | None:
    """The model that people, files or posts call so: "SDS 011", "PMS7003", "BMP"; None if the table lacks it."""
    return _BY_ALIAS.get(_normalise(text))


class InstrumentProperty(NamedTuple):
    """The property under which a named instrument is stored beside the ambient one: humidity_heca."""

    name: str
    quantity: str
    model: SensorModel


def instrument_property(quantity: str, model: str) -> str:
    """humidity, heca -> humidity_heca."""
    return f"{quantity}_{model}"


# Every property that a node may report beside the ambient one; the gateway's registry has a row for each.
INSTRUMENT_PROPERTIES = tuple(
    InstrumentProperty(instrument_property(quantity, model.name), quantity, model)
    for model in _FILE.model
    for quantity in model.measurements
    if model.posted
)
