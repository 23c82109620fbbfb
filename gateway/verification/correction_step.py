"""The step about a corrected value: the logged rule, applied to the signed readings, gives the published figure.

The rules are the gateway's own code (`gateway.quality`), which needs numpy. It is imported when it is needed, so that
everything else is checked without it. A calibration has its coefficients in its document.
"""

import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from edge_agent.wire import EXCLUDED_FLAGS
from gateway.transparency.errors import ProofError
from gateway.transparency.leaf import LeafKind
from gateway.verification.batch_steps import OpenedBatch
from gateway.verification.document_steps import ProvenDocument
from gateway.verification.evidence_file import ClaimedValue
from gateway.verification.moment import parse_moment
from gateway.verification.step import StepState, VerificationStep, make_step
from gateway.verification.value_steps import format_value, is_excluded, read_values

_MINUTE_MS = 60_000
_TOLERANCE = 1e-11  # a published figure has twelve digits
_HUMIDITY = "humidity"
_GENERAL = "gateway.quality.humidity_correction"
_CALIBRATION = "calibration/"
_COEFFICIENTS = {"offset": "offset", "slope": "slope", "humiditySlope": "humidity_slope", "kappa": "kappa"}
_CONSTANTS = {"density": 1.65, "highestWaterActivity": 0.95}  # as in gateway.quality.humidity_correction
_LARGEST_MAGNITUDE = 1e9  # as in gateway.model.validity, which needs numpy


class _UncheckedError(Exception):
    """Why the corrected value cannot be computed here; the message is the variant of the sentence."""


def check_correction(
    claim: ClaimedValue, rules: Sequence[ProvenDocument], batches: Sequence[OpenedBatch]
) -> VerificationStep:
    """Step of the corrected value. `batches`: those with the readings of the minute; all of them are true."""
    published = claim.published
    values = {"rule": published.rule or "-", "corrected": format_value(published.corrected)}
    try:
        rule = _find_rule(claim, rules)
        minute_ms = parse_moment(claim.observed_at) // _MINUTE_MS * _MINUTE_MS
        humidity = _compute_humidity(batches, minute_ms) if rule.needs_humidity else None
        computed = _apply(rule, claim, humidity)
    except _UncheckedError as unchecked:
        return make_step("correction", StepState.UNCHECKED, str(unchecked), values=values)
    except ProofError as error:
        return make_step("correction", StepState.FALSE, reason=str(error), values={"computed": "?", **values})
    values |= {"computed": format_value(computed), "humidity": format_value(humidity)}
    if published.corrected is None and computed is not None:
        return make_step("correction", StepState.UNCHECKED, "withheld", values=values)
    if not _is_close(computed, published.corrected):
        return make_step("correction", StepState.FALSE, compared=values, values=values)
    if rule.needs_humidity and not _is_covered(batches, minute_ms):
        return make_step("correction", StepState.UNCHECKED, "minute", values=values)
    return make_step("correction", StepState.OK, compared={"parameters": rule.text, **values}, values=values)


class _Rule(NamedTuple):
    """The document of a rule in the log, and how it corrects (value, humidity)."""

    text: str
    needs_humidity: bool
    correct: Callable[[float | None, Any], Any]


def _find_rule(claim: ClaimedValue, rules: Sequence[ProvenDocument]) -> _Rule:
    if claim.stamped_at not in {None, claim.observed_at}:
        raise _UncheckedError("dated")
    if (claim.published.rule or "").startswith(_CALIBRATION):
        return _find_calibration(claim, rules)
    return _find_general_rule(claim, rules)


def _find_calibration(claim: ClaimedValue, rules: Sequence[ProvenDocument]) -> _Rule:
    """The calibration that the claim names: its coefficients are in its document."""
    matching = [
        rule
        for rule in rules
        if rule.leaf.kind is LeafKind.CALIBRATION
        and f"{_CALIBRATION}{rule.leaf.fields[0]}/{rule.leaf.fields[1]} {rule.leaf.fields[2]}" == claim.published.rule
    ]
    if not matching:
        raise _UncheckedError("document")
    node, name, _, since = matching[0].leaf.fields
    if (node, name) != (claim.node, claim.observed_property):
        raise ProofError(f"the calibration is of {name} of {node}")
    coefficients = _read_coefficients(matching[0])
    until, at = matching[0].value["until"], parse_moment(claim.observed_at)
    if at < parse_moment(since) or (until is not None and at >= parse_moment(until)):
        raise ProofError("the calibration does not hold at that time")
    module = _load_module("gateway.quality.calibration")
    calibration = module.Coefficients(**coefficients)
    return _Rule(
        text=matching[0].text,
        needs_humidity=calibration.needs_humidity,
        correct=lambda value, air: module.calibrate(value, air, calibration),
    )


def _read_coefficients(rule: ProvenDocument) -> dict[str, float]:
    """Coefficients of a calibration. Raises ProofError if the document is not one of this form."""
    parameters = _read_parameters(rule)
    has_form = parameters.keys() == {*_COEFFICIENTS, *_CONSTANTS} and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in parameters.values()
    )
    has_period = isinstance(rule.value, dict) and isinstance(rule.value.get("until", 0), str | None)
    if not has_form or not has_period:
        raise ProofError("the document has not the form of a calibration")
    if {name: parameters[name] for name in _CONSTANTS} != _CONSTANTS:
        raise _UncheckedError("version")
    return {_COEFFICIENTS[name]: float(parameters[name]) for name in _COEFFICIENTS}


def _find_general_rule(claim: ClaimedValue, rules: Sequence[ProvenDocument]) -> _Rule:
    """The rule of the claim; its parameters must be those of this program's rule of that name and version."""
    name_and_version = tuple((claim.published.rule or "").split(" "))
    matching = [
        rule for rule in rules if (rule.leaf.kind, rule.leaf.fields) == (LeafKind.CORRECTION_RULE, name_and_version)
    ]
    if not matching:
        raise _UncheckedError("document")
    own_rule = next(
        (
            rule
            for rule in _load_module(_GENERAL).CORRECTION_RULES
            if (rule.name, str(rule.version)) == name_and_version
        ),
        None,
    )
    if own_rule is None or claim.observed_property not in own_rule.properties:
        raise _UncheckedError("version")
    if _read_parameters(matching[0]) != dict(own_rule.parameters):
        raise ProofError(f"the rule in the log has other parameters than version {own_rule.version} of {own_rule.name}")
    correct = _load_module(_GENERAL).correct_for_humidity
    return _Rule(text=matching[0].text, needs_humidity=True, correct=correct)


def _read_parameters(rule: ProvenDocument) -> Mapping[str, Any]:
    parameters = rule.value.get("parameters") if isinstance(rule.value, dict) else None
    return parameters if isinstance(parameters, dict) else {}


def _load_module(name: str) -> Any:  # noqa: ANN401 - a module
    try:
        return importlib.import_module(name)
    except ImportError:
        raise _UncheckedError("library") from None


def _compute_humidity(batches: Sequence[OpenedBatch], minute_ms: int) -> float | None:
    """Mean of the valid humidity readings of a minute in %; None without one."""
    readings = [
        (value, flags)
        for opened in batches
        if opened.batch is not None
        for at_ms in sorted(set(opened.stamps()))
        if minute_ms <= at_ms < minute_ms + _MINUTE_MS
        for value, flags in read_values(opened.batch, _HUMIDITY, at_ms)
    ]
    values = [value for value, flags in readings if value is not None and _is_valid(value, flags)]
    return math.fsum(values) / len(values) if values else None


def _is_valid(value: float, flags: int) -> bool:
    return abs(value) <= _LARGEST_MAGNITUDE and not flags & EXCLUDED_FLAGS


def _apply(rule: _Rule, claim: ClaimedValue, humidity: float | None) -> float | None:
    if is_excluded(claim.published.flags):
        return None
    air = None if humidity is None else _load_module(_GENERAL).AirHumidity(percent=humidity, flags=0)
    corrected, _ = rule.correct(claim.value, air)
    return None if corrected is None else float(corrected)


def _is_close(first: float | None, second: float | None) -> bool:
    if first is None or second is None:
        return first is second
    return math.isclose(first, second, rel_tol=_TOLERANCE)


def _is_covered(batches: Sequence[OpenedBatch], minute_ms: int) -> bool:
    """Whether these are all batches of the minute: numbers without a gap, with readings before and after it."""
    opened = sorted((item for item in batches if item.batch), key=lambda item: item.batch.seq)  # type: ignore[union-attr]
    numbers = [item.batch.seq for item in opened if item.batch]
    incarnations = {item.batch.inc for item in opened if item.batch}
    if not opened or len(incarnations) != 1 or numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        return False
    return min(opened[0].stamps()) < minute_ms and max(opened[-1].stamps()) >= minute_ms + _MINUTE_MS
