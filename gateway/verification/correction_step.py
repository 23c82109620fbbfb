"""The step about a corrected value: the logged rule, applied to the signed readings, gives the published figure.

The rule is the gateway's own code (`gateway.quality.humidity_correction`), which needs numpy. It is imported when it is
needed, so that everything else is checked without it.
"""

import importlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

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
        humidity = _compute_humidity(batches, minute_ms)
        computed = _apply(claim, humidity)
    except _UncheckedError as unchecked:
        return make_step("correction", StepState.UNCHECKED, str(unchecked), values=values)
    except ProofError as error:
        return make_step("correction", StepState.FALSE, reason=str(error), values={"computed": "?", **values})
    values |= {"computed": format_value(computed), "humidity": format_value(humidity)}
    if published.corrected is None and computed is not None:
        return make_step("correction", StepState.UNCHECKED, "withheld", values=values)
    if not _is_close(computed, published.corrected):
        return make_step("correction", StepState.FALSE, compared=values, values=values)
    if not _is_covered(batches, minute_ms):
        return make_step("correction", StepState.UNCHECKED, "minute", values=values)
    return make_step("correction", StepState.OK, compared={"parameters": rule.text, **values}, values=values)


def _find_rule(claim: ClaimedValue, rules: Sequence[ProvenDocument]) -> ProvenDocument:
    """Document of the rule; its parameters must be those of this program's rule of that name and version."""
    if claim.stamped_at not in {None, claim.observed_at}:
        raise _UncheckedError("dated")
    name_and_version = tuple((claim.published.rule or "").split(" "))
    matching = [
        rule for rule in rules if (rule.leaf.kind, rule.leaf.fields) == (LeafKind.CORRECTION_RULE, name_and_version)
    ]
    if not matching:
        raise _UncheckedError("document")
    own_rule = next(
        (rule for rule in _load_module().CORRECTION_RULES if (rule.name, str(rule.version)) == name_and_version), None
    )
    if own_rule is None or claim.observed_property not in own_rule.properties:
        raise _UncheckedError("version")
    if _read_parameters(matching[0]) != dict(own_rule.parameters):
        raise ProofError(f"the rule in the log has other parameters than version {own_rule.version} of {own_rule.name}")
    return matching[0]


def _read_parameters(rule: ProvenDocument) -> Mapping[str, Any]:
    parameters = rule.value.get("parameters") if isinstance(rule.value, dict) else None
    return parameters if isinstance(parameters, dict) else {}


def _load_module() -> Any:  # noqa: ANN401 - a module
    try:
        return importlib.import_module("gateway.quality.humidity_correction")
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


def _apply(claim: ClaimedValue, humidity: float | None) -> float | None:
    if is_excluded(claim.published.flags):
        return None
    module = _load_module()
    air = None if humidity is None else module.AirHumidity(percent=humidity, flags=0)
    corrected, _ = module.correct_for_humidity(claim.value, air)
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
