"""Humidity correction of optical particulate values: a named, versioned rule. Pure.

API, pages and exports give the corrected value beside the raw one; the raw value is stored, detected on and alerted on.
Particles take up water, and an optical sensor counts the water as dust. Crilley et al. (Atmos. Meas. Tech. 11, 709-720,
2018, doi:10.5194/amt-11-709-2018, equations 5 and 6) divide by the growth that kappa-Koehler theory gives:

    dry = raw / (1 + (kappa / 1.65) / (1 / a_w - 1)),    a_w = relative humidity / 100

with kappa 0.3, near the mean over continents of Pringle et al. (Atmos. Chem. Phys. 10, 5241-5255, 2010, 0.27 +- 0.21).
Above a_w 0.95 the divisor grows without bound and reflects the humidity sensor's error more than the dust: no value.

A reading is corrected by the mean humidity of its minute, a minute or hour by that of the same minute or hour, as
measured at the same station. A day is the mean of its corrected hours if these hold three quarters of its readings.
A change that alters corrected values raises the version. Version 2 averages the valid humidity readings of a bucket;
version 1 gave no value if any of them had one of ten flags.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from math import fsum
from types import MappingProxyType

from msgspec import Struct

from gateway.model.figures import round_figure, shorten
from gateway.model.validity import is_excluded

KAPPA = 0.3
DENSITY = 1.65  # g/cm3 of dry particles, in equation 6
MAX_WATER_ACTIVITY = 0.95  # a_w up to which there is a corrected value
MIN_DAY_SHARE = 0.75  # of a day's readings that its corrected hours must contain
HUMIDITY_PROPERTY = "humidity"


class MissingCorrection(StrEnum):
    """Why a raw value has no corrected value."""

    NO_HUMIDITY = "no_humidity"  # the station measured no humidity at that time
    HUMIDITY_FLAGGED = "humidity_flagged"  # it did, but no value counts, by its flags or its range
    TOO_HUMID = "too_humid"  # the rule does not hold above MAX_WATER_ACTIVITY
    TOO_FEW_HOURS = "too_few_hours"  # less than MIN_DAY_SHARE of the day
    VALUE_FLAGGED = "value_flagged"  # the raw value does not count, by its flags


class CorrectionRule(Struct, frozen=True, kw_only=True):
    """A correction rule. Name and version identify formula and parameters; a published version never changes."""

    name: str
    version: int
    properties: tuple[str, ...]
    parameters: Mapping[str, float]
    formula: str
    source: str

    @property
    def label(self) -> str:
        """Name and version, as `name@version`."""
        return f"{self.name}@{self.version}"


HUMIDITY_GROWTH = CorrectionRule(
    name="kappa-koehler",
    version=2,
    properties=("pm1", "pm2_5", "pm4", "pm10"),
    parameters=MappingProxyType({"kappa": KAPPA, "density": DENSITY, "highestWaterActivity": MAX_WATER_ACTIVITY}),
    formula="dry = raw / (1 + (kappa / density) / (1 / a_w - 1)), a_w = relative humidity / 100",
    source="https://doi.org/10.5194/amt-11-709-2018",
)
CORRECTION_RULES = (HUMIDITY_GROWTH,)


class AirHumidity(Struct, frozen=True, kw_only=True, gc=False):
    """Mean relative humidity of the valid readings in %, None if there were none, and the flags of all readings."""

    percent: float | None
    flags: int


CorrectedValue = tuple[
    float | None, MissingCorrection | None
]  # the value, or why there is none; (None, None) if the raw value is None
NO_CORRECTION: CorrectedValue = (None, None)


def find_rule(observed_property: str) -> CorrectionRule | None:
    """Return the rule for this property; None if it is not corrected."""
    return next((rule for rule in CORRECTION_RULES if observed_property in rule.properties), None)


def correct_for_humidity(value: float | None, humidity: AirHumidity | None) -> CorrectedValue:
    """Correct a mass concentration; the unit stays.

    Both figures are rounded first: the last binary digit of a mean depends on the order in which the database adds.
    """
    if value is None:
        return NO_CORRECTION
    percent = None if humidity is None else shorten(humidity.percent)
    if percent is None:
        flagged = humidity is not None and is_excluded(humidity.flags)
        return None, MissingCorrection.HUMIDITY_FLAGGED if flagged else MissingCorrection.NO_HUMIDITY
    if not 0 <= percent <= 100:
        return None, MissingCorrection.HUMIDITY_FLAGGED
    activity = percent / 100
    if activity > MAX_WATER_ACTIVITY:
        return None, MissingCorrection.TOO_HUMID
    growth = 1 + KAPPA / DENSITY * activity / (1 - activity)
    return shorten(round_figure(value) / growth), None


def correct_day(value: float | None, readings: int, hours: Iterable[tuple[float | None, int]]) -> CorrectedValue:
    """Correct a day from its hours (corrected value, valid readings); the day has `readings` valid ones in all."""
    if value is None:
        return NO_CORRECTION
    corrected_hours = [(mean, count) for mean, count in hours if mean is not None]
    count = sum(n for _, n in corrected_hours)
    if count == 0 or count < MIN_DAY_SHARE * readings:
        return None, MissingCorrection.TOO_FEW_HOURS
    return shorten(fsum(mean * n for mean, n in corrected_hours) / count), None
