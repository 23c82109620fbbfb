"""How corrected values beside raw ones are made."""

from typing import Annotated

from msgspec import Meta

from gateway.api.schemas.schema import Open, Shape
from gateway.quality.humidity_correction import CORRECTIONS, rule_for


class CorrectionName(Shape, frozen=True, kw_only=True):
    """By which rule; all of it is at `/corrections`."""

    name: Annotated[str, Meta(examples=["kappa-koehler"])]
    version: int


class Correction(Open, frozen=True, kw_only=True):
    """A rule for values beside the raw ones, which stay what is stored and alerted on. A change is a new version."""

    name: Annotated[str, Meta(examples=["kappa-koehler"])]
    version: int
    observed_properties: list[str]
    formula: str
    parameters: dict[str, float]
    source: str


class Corrections(Open, frozen=True, kw_only=True):
    """Every one of them."""

    items: list[Correction]


def correction_of(observed_property: str) -> CorrectionName | None:
    """The rule for it, by name."""
    rule = rule_for(observed_property)
    return None if rule is None else CorrectionName(name=rule.name, version=rule.version)


def every_correction(attribution: str) -> Corrections:
    """Every rule, described."""
    items = [
        Correction(
            name=one.name,
            version=one.version,
            observed_properties=list(one.properties),
            formula=one.formula,
            parameters=dict(one.parameters),
            source=one.source,
            attribution=attribution,
        )
        for one in CORRECTIONS
    ]
    return Corrections(items=items, attribution=attribution)
