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
MAX_WATER_ACTIVITY = 0.95  # water activity up to which a value is given
MIN_DAY_SHARE = 0.75  # of a day's readings that its corrected hours must hold
HUMIDITY_PROPERTY = "humidity"

_UNTRUSTED_FLAGS = int(
    Flag.WARM_UP | Flag.OUT_OF_RANGE | Flag.STALE | Flag.STUCK | Flag.SENSOR_FAULT | Flag.JUMP
    | Flag.NEIGHBOUR_DISAGREES | Flag.MAINTENANCE | Flag.CALIBRATION_EXPIRED | Flag.TIME_SUSPECT
)  # fmt: skip


class MissingCorrection(StrEnum):
    """Why there is no corrected value beside a raw one."""

    NO_HUMIDITY = "no_humidity"  # the station measured none at that time
    HUMIDITY_FLAGGED = "humidity_flagged"  # it did, and the figure cannot be trusted
    TOO_HUMID = "too_humid"  # the rule does not hold there
    TOO_FEW_HOURS = "too_few_hours"  # of this day


class CorrectionRule(Struct, frozen=True, kw_only=True):
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


HUMIDITY_GROWTH = CorrectionRule(
    name="kappa-koehler",
    version=1,
    properties=("pm1", "pm2_5", "pm4", "pm10"),
    parameters=MappingProxyType({"kappa": KAPPA, "density": DENSITY, "highestWaterActivity": MAX_WATER_ACTIVITY}),
    formula="dry = raw / (1 + (kappa / density) / (1 / a_w - 1)), a_w = relative humidity / 100",
    source="https://doi.org/10.5194/amt-11-709-2018",
)
CORRECTION_RULES = (HUMIDITY_GROWTH,)


class AirHumidity(Struct, frozen=True, kw_only=True, gc=False):
    """How humid it was: mean relative humidity in %, None where there was no value, and what it was flagged with."""

    percent: float | None
    flags: int


CorrectedValue = tuple[
    float | None, MissingCorrection | None
]  # the value, or why there is none; neither where raw has none
NO_CORRECTION: CorrectedValue = (None, None)


def find_rule(observed_property: str) -> CorrectionRule | None:
    """The rule that this property is corrected by; None: by none."""
    return next((rule for rule in CORRECTION_RULES if observed_property in rule.properties), None)


def correct_for_humidity(value: float | None, humidity: AirHumidity | None) -> CorrectedValue:
    """A mass concentration without its water, in the unit it came in."""
    if value is None:
        return NO_CORRECTION
    if humidity is None or humidity.percent is None:
        return None, MissingCorrection.NO_HUMIDITY
    if humidity.flags & _UNTRUSTED_FLAGS or not 0 <= humidity.percent <= 100:
        return None, MissingCorrection.HUMIDITY_FLAGGED
    activity = humidity.percent / 100
    if activity > MAX_WATER_ACTIVITY:
        return None, MissingCorrection.TOO_HUMID
    return value / (1 + KAPPA / DENSITY * activity / (1 - activity)), None


def correct_day(value: float | None, readings: int, hours: Iterable[tuple[float | None, int]]) -> CorrectedValue:
    """A day from its corrected hours, as (value, readings with a value), of `readings` in the whole day."""
    if value is None:
        return NO_CORRECTION
    corrected_hours = [(mean, count) for mean, count in hours if mean is not None]
    count = sum(n for _, n in corrected_hours)
    if count == 0 or count < MIN_DAY_SHARE * readings:
        return None, MissingCorrection.TOO_FEW_HOURS
    return fsum(mean * n for mean, n in corrected_hours) / count, None
