"""Types of the rules by which corrected values are computed from raw ones."""

from typing import Annotated

from msgspec import Meta

from gateway.api.schemas.schema import LicensedDocument, Schema
from gateway.quality.humidity_correction import CORRECTION_RULES, find_rule


class CorrectionName(Schema, frozen=True, kw_only=True):
    """Name and version of a rule; `/corrections` describes it."""

    name: Annotated[str, Meta(examples=["kappa-koehler"])]
    version: int


class Correction(LicensedDocument, frozen=True, kw_only=True):
    """A rule for corrected values. Raw values stay what is stored and alerted on. A changed rule has a new version."""

    name: Annotated[str, Meta(examples=["kappa-koehler"])]
    version: int
    observed_properties: list[str]
    formula: str
    parameters: dict[str, float]
    source: str


class Corrections(LicensedDocument, frozen=True, kw_only=True):
    """Every correction rule."""

    items: list[Correction]


def find_correction_name(observed_property: str) -> CorrectionName | None:
    """The rule of a property, by name; None if it has none."""
    rule = find_rule(observed_property)
    return None if rule is None else CorrectionName(name=rule.name, version=rule.version)


def build_corrections(attribution: str) -> Corrections:
    """Every rule as the API shows it."""
    items = [
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
    return Corrections(items=items, attribution=attribution)
