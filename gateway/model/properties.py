"""The registry of observed properties: one row per property, read from properties.toml when the module is imported.

A node with two instruments of one quantity reports the ambient one as the quantity itself (`humidity`) and the others
under names of their instruments (`humidity_heca`). Their rows follow from the quantity's row and the table of sensor
models: the same unit and bounds, not shown on the map, and never a peak.

Used by the migration (which adds missing rows to the database), detection (default settings), pages (order and colours)
and alerts (names). A row that cannot be read raises ConfigurationError, which names the key.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from msgspec import Struct

from alerting.averaging import AveragingRule
from edge_agent.configuration import load_toml
from edge_agent.sensor_models import INSTRUMENT_PROPERTIES, InstrumentProperty


class LocalizedName(Struct, frozen=True, kw_only=True):
    """A name in both languages."""

    nl: str
    en: str


class PropertyRow(Struct, frozen=True, kw_only=True):
    """One observed property; properties.toml explains each field."""

    id: str
    unit: str
    name: LocalizedName
    short_name: LocalizedName | None = None
    lower: float | None = None
    upper: float | None = None
    max_rise: float | None = None
    still_noise: float | None = None
    severity: tuple[float, float, float, float] | None = None
    colour_steps: tuple[float, float, float, float, float] | None = None
    direction: Literal[1, -1] = 1
    averaging: AveragingRule = AveragingRule.ARITHMETIC
    shown: bool = False
    detection: dict[str, Any] | None = None  # fields of detection's PeakSettings, which reads it strictly

    @property
    def names_in_text(self) -> dict[str, str]:
        """How mails and sentences call it: {"nl": ..., "en": ...}."""
        name = self.short_name or self.name
        return {"nl": name.nl, "en": name.en}


class _PropertyFile(Struct, frozen=True, kw_only=True):
    property: list[PropertyRow]


def _instrument_row(quantity: PropertyRow, instrument: InstrumentProperty) -> PropertyRow:
    title = instrument.model.title
    return PropertyRow(
        id=instrument.name,
        unit=quantity.unit,
        name=LocalizedName(nl=f"{quantity.name.nl} ({title})", en=f"{quantity.name.en} ({title})"),
        lower=quantity.lower,
        upper=quantity.upper,
        max_rise=quantity.max_rise,
        still_noise=quantity.still_noise,
        averaging=quantity.averaging,
    )


_ROWS = load_toml(Path(__file__).with_name("properties.toml"), _PropertyFile).property
_QUANTITIES = {row.id: row for row in _ROWS}
_INSTRUMENT_ROWS = [_instrument_row(_QUANTITIES[p.quantity], p) for p in INSTRUMENT_PROPERTIES]
PROPERTIES: Mapping[str, PropertyRow] = MappingProxyType({row.id: row for row in (*_ROWS, *_INSTRUMENT_ROWS)})
INSTRUMENT_PROPERTY_IDS = frozenset(row.id for row in _INSTRUMENT_ROWS)
SHOWN_PROPERTIES = tuple(row.id for row in _ROWS if row.shown)
_ORDER = {id_: position for position, id_ in enumerate(PROPERTIES)}


def order_of_property(id_: str) -> int:
    """Return the position of a property in the registry; one that it lacks comes last."""
    return _ORDER.get(id_, len(_ORDER))


def average_of(id_: str) -> AveragingRule:
    """Return the averaging rule of a property; arithmetic for one that is not in the shipped registry."""
    row = PROPERTIES.get(id_)
    return AveragingRule.ARITHMETIC if row is None else row.averaging
