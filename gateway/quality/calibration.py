"""Calibrations: versioned coefficients of one sensor of one node, by which its values are corrected. Pure.

A calibration is a correction rule for one property of one node. If it holds at a moment, it takes the place of the
general rule (humidity_correction). The raw value is stored, detected on and alerted on, as with every rule.

    corrected = offset + slope * raw / g + humiditySlope * RH
    g = 1 + (kappa / density) * a_w / (1 - a_w),    a_w = RH / 100

`offset` has the unit of the property, `humiditySlope` that unit per % relative humidity, `slope` and `kappa` none. `g`
is the growth of particles in humid air (Crilley et al., Atmos. Meas. Tech. 11, 709-720, 2018,
doi:10.5194/amt-11-709-2018). With kappa 0 it is 1: the usual straight line with a term for humidity, as it is fitted
beside a reference instrument.

Versions are added and never changed. At a moment the newest version holds that has begun by then; if that version has
an end and it is past, none does. Versions begin and end at whole hours (UTC), so that each mean of a minute or an hour
has one version. The mean of a bucket is corrected by the mean humidity of the same bucket.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from math import isfinite

from msgspec import Struct

from gateway.model.figures import round_figure, shorten
from gateway.model.validity import is_excluded
from gateway.quality.humidity_correction import (
    DENSITY,
    MAX_WATER_ACTIVITY,
    NO_CORRECTION,
    AirHumidity,
    CorrectedValue,
    CorrectionRule,
    MissingCorrection,
)

FORMULA = "offset + slope * raw / (1 + (kappa / density) * a_w / (1 - a_w)) + humiditySlope * RH, a_w = RH / 100"


class Coefficients(Struct, frozen=True, kw_only=True):
    """Coefficients of a calibration, see the module."""

    offset: float = 0.0
    slope: float = 1.0
    humidity_slope: float = 0.0
    kappa: float = 0.0

    @property
    def needs_humidity(self) -> bool:
        """Whether a corrected value depends on the humidity."""
        return self.humidity_slope != 0 or self.kappa != 0

    @property
    def parameters(self) -> dict[str, float]:
        """Coefficients and constants by the names in documents."""
        return {
            "offset": self.offset,
            "slope": self.slope,
            "humiditySlope": self.humidity_slope,
            "kappa": self.kappa,
            "density": DENSITY,
            "highestWaterActivity": MAX_WATER_ACTIVITY,
        }


class CalibrationVersion(Coefficients, frozen=True, kw_only=True):
    """One version of the calibration of a property of a node.

    sensor_model, serial  the instrument that was calibrated
    uncertainty           expanded uncertainty (k = 2) of a corrected value, in the unit of the property; None: unknown
    source                how the coefficients were obtained: a reference station, a laboratory, a document
    author                who states it, an organisation or a function
    """

    node: str
    observed_property: str
    version: int
    valid_from: datetime
    valid_until: datetime | None = None
    sensor_model: str
    serial: str | None = None
    uncertainty: float | None = None
    source: str
    author: str

    @property
    def name(self) -> str:
        """Name as a correction rule."""
        return f"calibration/{self.node}/{self.observed_property}"

    @property
    def label(self) -> str:
        """Name and version, as `name@version`."""
        return f"{self.name}@{self.version}"


AppliedRule = CorrectionRule | CalibrationVersion


def group_versions(
    calibrations: Iterable[CalibrationVersion],
) -> Mapping[tuple[str, str], Sequence[CalibrationVersion]]:
    """Return the versions by (node, property)."""
    versions: dict[tuple[str, str], list[CalibrationVersion]] = {}
    for calibration in calibrations:
        versions.setdefault((calibration.node, calibration.observed_property), []).append(calibration)
    return versions


def find_calibration(versions: Sequence[CalibrationVersion], at: datetime) -> CalibrationVersion | None:
    """Return the version that holds at a moment. `versions`: of one property of one node, in any order."""
    begun = [version for version in versions if version.valid_from <= at]
    newest = max(begun, key=lambda version: version.version, default=None)
    if newest is None or (newest.valid_until is not None and newest.valid_until <= at):
        return None
    return newest


def calibrate(value: float | None, humidity: AirHumidity | None, calibration: Coefficients) -> CorrectedValue:
    """Correct a value by the coefficients of a calibration; the unit stays. Value and humidity are rounded first."""
    if value is None:
        return NO_CORRECTION
    value = round_figure(value)
    if not calibration.needs_humidity:
        return _finish(calibration.offset + calibration.slope * value)
    percent = None if humidity is None else shorten(humidity.percent)
    if percent is None or not 0 <= percent <= 100:
        is_flagged = humidity is not None and (percent is not None or is_excluded(humidity.flags))
        return None, MissingCorrection.HUMIDITY_FLAGGED if is_flagged else MissingCorrection.NO_HUMIDITY
    activity, growth = percent / 100, 1.0
    if calibration.kappa:
        if activity > MAX_WATER_ACTIVITY:
            return None, MissingCorrection.TOO_HUMID
        growth = 1 + calibration.kappa / DENSITY * activity / (1 - activity)
    return _finish(calibration.offset + calibration.slope * value / growth + calibration.humidity_slope * percent)


def _finish(corrected: float) -> CorrectedValue:
    return (shorten(corrected), None) if isfinite(corrected) else (None, MissingCorrection.VALUE_FLAGGED)
