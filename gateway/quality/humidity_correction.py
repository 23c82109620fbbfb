"""What humid air adds to optical particulates, taken off again: a named, versioned rule beside the raw value.

Particles take up water, and an optical sensor counts the water as dust. Crilley et al. (Atmos. Meas. Tech. 11, 709-720,
2018, doi:10.5194/amt-11-709-2018, equations 5 and 6) divide by the growth that kappa-Koehler theory gives:

    dry = raw / (1 + (kappa / 1.65) / (1 / a_w - 1)),    a_w = relative humidity / 100

with kappa 0.3, near the mean over continents of Pringle et al. (Atmos. Chem. Phys. 10, 5241-5255, 2010, 0.27 +- 0.21).
Above a_w 0.95 the divisor grows without bound and says more of the humidity sensor's error than of the dust: no value.

A reading is corrected by the mean humidity of its minute, a minute and an hour by that of the same minute or hour, as
the same station measured it. A day is the mean of its corrected hours where these hold three quarters of its readings.
The raw value stays what is stored, detected on and alerted on. What changes the figures changes the version. Pure.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from math import fsum
from types import MappingProxyType

from msgspec import Struct

from edge_agent.wire import Flag

KAPPA = 0.3
DENSITY = 1.65  # g/cm3 of dry particles, in equation 6
DRY_ENOUGH = 0.95  # water activity up to which a value is given
SHARE = 0.75  # of a day's readings that its corrected hours must hold
HUMIDITY = "humidity"

_BAD = int(
    Flag.WARM_UP | Flag.OUT_OF_RANGE | Flag.STALE | Flag.STUCK | Flag.SENSOR_FAULT | Flag.JUMP
    | Flag.NEIGHBOUR_DISAGREES | Flag.MAINTENANCE | Flag.CALIBRATION_EXPIRED | Flag.TIME_SUSPECT
)  # fmt: skip


class Uncorrected(StrEnum):
    """Why there is no corrected value beside a raw one."""

    NO_HUMIDITY = "no_humidity"  # the station measured none at that time
    HUMIDITY_FLAGGED = "humidity_flagged"  # it did, and the figure cannot be trusted
    TOO_HUMID = "too_humid"  # the rule does not hold there
    TOO_FEW_HOURS = "too_few_hours"  # of this day


class Correction(Struct, frozen=True, kw_only=True):
    """A rule; together with its version the name stands for these figures for ever."""

    name: str
    version: int
    properties: tuple[str, ...]
    parameters: Mapping[str, float]
    formula: str
    source: str

    @property
    def label(self) -> str:
        """Name and version as one word."""
        return f"{self.name}@{self.version}"


HUMIDITY_GROWTH = Correction(
    name="kappa-koehler",
    version=1,
    properties=("pm1", "pm2_5", "pm4", "pm10"),
    parameters=MappingProxyType({"kappa": KAPPA, "density": DENSITY, "highestWaterActivity": DRY_ENOUGH}),
    formula="dry = raw / (1 + (kappa / density) / (1 / a_w - 1)), a_w = relative humidity / 100",
    source="https://doi.org/10.5194/amt-11-709-2018",
)
CORRECTIONS = (HUMIDITY_GROWTH,)


class Air(Struct, frozen=True, kw_only=True, gc=False):
    """How humid it was: mean relative humidity in %, None where there was no value, and what it was flagged with."""

    humidity: float | None
    flags: int


Corrected = tuple[float | None, Uncorrected | None]  # the value, or why there is none; neither where raw has none
NOTHING: Corrected = (None, None)


def rule_for(observed_property: str) -> Correction | None:
    """The rule that this property is corrected by; None: by none."""
    return next((one for one in CORRECTIONS if observed_property in one.properties), None)


def dry(value: float | None, air: Air | None) -> Corrected:
    """A mass concentration without its water, in the unit it came in."""
    if value is None:
        return NOTHING
    if air is None or air.humidity is None:
        return None, Uncorrected.NO_HUMIDITY
    if air.flags & _BAD or not 0 <= air.humidity <= 100:
        return None, Uncorrected.HUMIDITY_FLAGGED
    activity = air.humidity / 100
    if activity > DRY_ENOUGH:
        return None, Uncorrected.TOO_HUMID
    return value / (1 + KAPPA / DENSITY * activity / (1 - activity)), None


def day(value: float | None, readings: int, hours: Iterable[tuple[float | None, int]]) -> Corrected:
    """A day from its corrected hours, as (value, readings with a value), of `readings` in the whole day."""
    if value is None:
        return NOTHING
    held = [(one, count) for one, count in hours if one is not None]
    count = sum(n for _, n in held)
    if count == 0 or count < SHARE * readings:
        return None, Uncorrected.TOO_FEW_HOURS
    return fsum(one * n for one, n in held) / count, None
