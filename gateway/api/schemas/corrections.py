"""Types of the rules by which corrected values are computed from raw ones."""

from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta

from gateway.api.schemas.schema import Instant, LicensedDocument, Schema
from gateway.model.timestamps import format_instant
from gateway.quality.calibration import FORMULA, CalibrationVersion
from gateway.quality.humidity_correction import CORRECTION_RULES, find_rule


class CorrectionName(Schema, frozen=True, kw_only=True):
    """Name and version of a rule; `/corrections` describes it."""

    name: Annotated[str, Meta(examples=["kappa-koehler"])]
    version: int


class Correction(LicensedDocument, frozen=True, kw_only=True):
    """A rule for corrected values, or the calibration of one property of one node, which takes its place.

    Raw values stay what is stored and alerted on. A changed rule or calibration has a new version.
    """

    name: Annotated[str, Meta(examples=["kappa-koehler", "calibration/ijm-001/pm2_5"])]
    version: int
    observed_properties: list[str]
    formula: str
    parameters: dict[str, float]
    source: str
    node: Annotated[str | None, Meta(description="whose calibration it is; null: a rule for all nodes")] = None
    valid_from: Instant | None = None
    valid_until: Annotated[Instant | None, Meta(description="null: until a newer version begins")] = None
    sensor_model: Annotated[str | None, Meta(description="of the calibrated instrument")] = None
    serial: str | None = None
    uncertainty: Annotated[
        float | None, Meta(description="expanded uncertainty (k = 2) of a corrected value, in its unit; null: unknown")
    ] = None
    author: Annotated[str | None, Meta(description="who states the calibration")] = None


class Corrections(LicensedDocument, frozen=True, kw_only=True):
    """Every correction rule, and every version of every calibration."""

    items: list[Correction]


def find_correction_name(observed_property: str) -> CorrectionName | None:
    """The rule of a property, by name; None if it has none."""
    rule = find_rule(observed_property)
    return None if rule is None else CorrectionName(name=rule.name, version=rule.version)


def build_corrections(attribution: str, calibrations: Iterable[CalibrationVersion] = ()) -> Corrections:
    """Every rule, and these calibrations, as the API shows them."""
    rules = [
        Correction(
            name=rule.name,
            version=rule.version,
            observed_properties=list(rule.properties),
            formula=rule.formula,
            parameters=dict(rule.parameters),
            source=rule.source,
            attribution=attribution,
        )
        for rule in CORRECTION_RULES
    ]
    items = [*rules, *(_build_calibration(calibration, attribution) for calibration in calibrations)]
    return Corrections(items=items, attribution=attribution)


def _build_calibration(calibration: CalibrationVersion, attribution: str) -> Correction:
    until = calibration.valid_until
    return Correction(
        name=calibration.name,
        version=calibration.version,
        observed_properties=[calibration.observed_property],
        formula=FORMULA,
        parameters=calibration.parameters,
        source=calibration.source,
        node=calibration.node,
        valid_from=format_instant(calibration.valid_from),
        valid_until=None if until is None else format_instant(until),
        sensor_model=calibration.sensor_model,
        serial=calibration.serial,
        uncertainty=calibration.uncertainty,
        author=calibration.author,
        attribution=attribution,
    )
