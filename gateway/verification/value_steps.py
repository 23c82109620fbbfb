"""Steps about the claimed value: it stands in the batch, and what is published agrees with it. Pure."""

from edge_agent.wire import EXCLUDED_FLAGS, Flag, ReadingBatch
from gateway.transparency.errors import ProofError
from gateway.verification.batch_steps import OpenedBatch
from gateway.verification.evidence_file import ClaimedValue
from gateway.verification.moment import parse_moment
from gateway.verification.step import StepState, VerificationStep, make_step

Reading = tuple[float | None, int]
"""(value, flags)."""


def read_values(batch: ReadingBatch, observed_property: str, at_ms: int) -> list[Reading]:
    """Readings of a property in the batch at this stamp: none, one, or several."""
    values = batch.values.get(observed_property)
    if values is None:
        return []
    flags = batch.flags.get(observed_property) or [0] * len(values)
    return [
        (value, bits) for offset, value, bits in zip(batch.dt, values, flags, strict=True) if batch.t0 + offset == at_ms
    ]


def check_value(claim: ClaimedValue, opened: OpenedBatch) -> list[VerificationStep]:
    """Step whether the batch has this value and these flags at this time, and one about a time that was changed."""
    stamped_at = claim.stamped_at or claim.observed_at
    values = {
        "property": claim.observed_property,
        "time": stamped_at,
        "value": format_value(claim.value),
        "flags": name_flags(claim.flags) or "-",
    }
    try:
        if claim.node != (opened.batch.node if opened.batch else None):
            raise ProofError("the batch of this node cannot be read")
        readings = read_values(opened.batch, claim.observed_property, parse_moment(stamped_at))  # type: ignore[arg-type]
        if (claim.value, claim.flags) not in readings:
            raise ProofError(_describe_readings(readings))
    except ProofError as error:
        return [make_step("value", StepState.FALSE, reason=str(error), values=values)]
    steps = [make_step("value", StepState.OK, compared=values, values=values)]
    if stamped_at != claim.observed_at:
        steps.append(make_step("dated", StepState.UNCHECKED, values={"stamped": stamped_at, "time": claim.observed_at}))
    return steps


def check_published(claim: ClaimedValue) -> VerificationStep:
    """Step whether the published value is the node's own, or withheld for a flag; flags are never removed."""
    published = claim.published
    node_flags = set(name_flags(claim.flags).split())
    values = {"value": format_value(published.value), "flags": " ".join(published.flags) or "-"}
    unknown_flags = set(published.flags) - {flag.name.lower() for flag in Flag if flag.name}
    if unknown_flags:
        return make_step(
            "published", StepState.FALSE, reason=f"no flags: {' '.join(sorted(unknown_flags))}", values=values
        )
    if not node_flags <= set(published.flags):
        missing = " ".join(sorted(node_flags - set(published.flags)))
        return make_step(
            "published", StepState.FALSE, reason=f"flags of the node are missing: {missing}", values=values
        )
    if published.value is None and claim.value is not None and not is_excluded(published.flags):
        return make_step("published", StepState.FALSE, reason="the value is withheld without a reason", values=values)
    if published.value not in {None, claim.value}:
        return make_step(
            "published", StepState.FALSE, reason=f"the node sent {format_value(claim.value)}", values=values
        )
    added = " ".join(sorted(set(published.flags) - node_flags))
    if added:
        return make_step("published", StepState.UNCHECKED, values={"added": added, **values})
    return make_step("published", StepState.OK, "withheld" if published.value is None else "", values=values)


def format_value(value: float | None) -> str:
    """Value as text; a value that the node did not give is `null`."""
    return "null" if value is None else repr(value)


def name_flags(flags: int) -> str:
    """Names of the flags in lower case, in order of their bits, with spaces; an unknown bit is its number."""
    names = {flag.value: str(flag.name).lower() for flag in Flag}
    return " ".join(names.get(1 << bit, str(1 << bit)) for bit in range(flags.bit_length()) if flags >> bit & 1)


_EXCLUDED_NAMES = frozenset(name_flags(int(EXCLUDED_FLAGS)).split())


def is_excluded(names: list[str]) -> bool:
    """Whether a value with flags of these names counts nowhere."""
    return not _EXCLUDED_NAMES.isdisjoint(names)


def _describe_readings(readings: list[Reading]) -> str:
    if not readings:
        return "the batch has no reading of this property at that time"
    return "; ".join(f"the node sent {format_value(value)} with flags {bits}" for value, bits in readings)
