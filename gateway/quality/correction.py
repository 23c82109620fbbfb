"""Correct a value by the rule that holds for it: a calibration of its node, else the general rule. Pure."""

from gateway.quality.calibration import AppliedRule, CalibrationVersion, calibrate
from gateway.quality.humidity_correction import (
    NO_CORRECTION,
    AirHumidity,
    CorrectedValue,
    correct_for_humidity,
    find_rule,
)


def choose_rule(observed_property: str, calibration: CalibrationVersion | None) -> AppliedRule | None:
    """Return the rule for a value of this property; None: it is not corrected."""
    return find_rule(observed_property) if calibration is None else calibration


def apply_rule(rule: AppliedRule | None, value: float | None, humidity: AirHumidity | None) -> CorrectedValue:
    """Correct a value by its rule; the unit stays."""
    if rule is None:
        return NO_CORRECTION
    if isinstance(rule, CalibrationVersion):
        return calibrate(value, humidity, rule)
    return correct_for_humidity(value, humidity)
