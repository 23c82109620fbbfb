"""Steps about logged documents: events, correction rules, calibrations, detectors, and heads of deliveries. Pure."""

import hashlib
import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from gateway.transparency.errors import ProofError
from gateway.transparency.leaf import Leaf, LeafKind, hash_content
from gateway.transparency.strict_json import load_json
from gateway.verification.evidence_file import ClaimedValue, LoggedDocument, LoggedLeaf
from gateway.verification.membership import HeadJudge, Membership
from gateway.verification.step import StepState, VerificationStep, make_step
from gateway.verification.value_steps import format_value

RULE_KINDS = frozenset({LeafKind.CORRECTION_RULE, LeafKind.CALIBRATION, LeafKind.DETECTOR})


class ProvenDocument(Struct, frozen=True, kw_only=True):
    """A document that is in the log: its leaf and its JSON."""

    leaf: Leaf
    text: str
    value: Any


def check_document(
    name: str, evidence: LoggedDocument, kinds: frozenset[LeafKind], batch: Membership, judge: HeadJudge
) -> tuple[ProvenDocument | None, VerificationStep]:
    """Step whether the document is the one in the log; `name` is the name of the step."""
    membership = judge.find_leaf(evidence.leaf.encode(), evidence.proof)
    title = " ".join(evidence.leaf.split("\n")[:2])[:200]
    compared = {"sha256": hash_content(evidence.document.encode()), "index": membership.index}
    try:
        document = _read_document(evidence, kinds)
        check_place(membership, batch)
    except ProofError as error:
        return None, make_step(name, StepState.FALSE, compared=compared, reason=str(error), values={"title": title})
    return document, make_step(
        name, StepState.OK, compared=compared, values={"title": title, "index": membership.index}
    )


def check_place(membership: Membership, batch: Membership) -> None:
    """Raise ProofError unless the leaf is in the log of the batch, under a head that the policy trusts."""
    if membership.whole_fault:
        raise ProofError(membership.whole_fault)
    if membership.origin != batch.origin:
        raise ProofError(f"it is in the log {membership.origin}, the batch in {batch.origin or 'none'}")


def check_delivery(evidence: LoggedLeaf, batch: Membership, judge: HeadJudge) -> VerificationStep:
    """Step whether the head of the delivery record is in the log."""
    membership = judge.find_leaf(evidence.leaf.encode(), evidence.proof)
    compared = {"index": membership.index}
    try:
        leaf = Leaf.parse(evidence.leaf.encode())
        if leaf.kind is not LeafKind.DELIVERY:
            raise ProofError(f"the leaf is of the kind {leaf.kind}")
        check_place(membership, batch)
    except ProofError as error:
        return make_step("delivery", StepState.FALSE, compared=compared, reason=str(error))
    return make_step(
        "delivery",
        StepState.OK,
        compared={"head": leaf.content},
        values={"count": leaf.fields[0], "index": membership.index},
    )


def check_event(
    event: ProvenDocument, rules: list[ProvenDocument], claim: ClaimedValue | None
) -> list[VerificationStep]:
    """Steps that follow from a proven event: its detector and its peak."""
    steps = [check_detector(event, rules)]
    is_peak = claim is not None and (claim.station, claim.observed_property, claim.observed_at) == tuple(
        event.value.get(key) for key in ("station", "observedProperty", "peakAt")
    )
    if claim is not None and is_peak:
        peak = event.value.get("peak")
        state = StepState.OK if peak == claim.value else StepState.UNCHECKED
        steps.append(make_step("peak", state, values={"peak": peak, "value": format_value(claim.value)}))
    return steps


def _read_document(evidence: LoggedDocument, kinds: frozenset[LeafKind]) -> ProvenDocument:
    leaf = Leaf.parse(evidence.leaf.encode())
    if leaf.kind not in kinds:
        raise ProofError(f"the leaf is of the kind {leaf.kind}")
    if hash_content(evidence.document.encode()) != leaf.content:
        raise ProofError("the document has another hash than its leaf")
    value = _load_document(evidence.document)
    if leaf.kind is LeafKind.EVENT and (not isinstance(value, dict) or _read_revision(value) != leaf.fields):
        raise ProofError("the document is of another event or revision than its leaf")
    return ProvenDocument(leaf=leaf, text=evidence.document, value=value)


def _load_document(text: str) -> Any:  # noqa: ANN401 - any JSON
    try:
        return load_json(text.encode())
    except ProofError as error:
        raise ProofError(f"the document: {error}") from None


def _read_revision(value: Mapping[str, Any]) -> tuple[object, str]:
    return value.get("id"), str(value.get("revision"))


def check_detector(event: ProvenDocument, rules: Sequence[ProvenDocument]) -> VerificationStep:
    """Step of the parameters of the detector.

    `detector` of an event is name@version#hash; the leaf of its parameters has the same label and the same hash.
    """
    label = str(event.value.get("detector"))
    matching = [rule for rule in rules if rule.leaf.kind is LeafKind.DETECTOR and rule.leaf.fields == (label,)]
    if not matching:
        return make_step("detector", StepState.UNCHECKED, "missing", values={"detector": label})
    digest = label.rpartition("#")[2]
    if _short_hash(matching[0].text.encode(), len(digest)) == digest:
        return make_step("detector", StepState.OK, compared={"sha256": digest}, values={"detector": label})
    own_form = _encode_parameters(matching[0].text)
    if own_form is None:
        return make_step("detector", StepState.UNCHECKED, values={"detector": label})
    if _short_hash(own_form, len(digest)) == digest:
        return make_step("detector", StepState.OK, compared={"sha256": digest}, values={"detector": label})
    return make_step("detector", StepState.FALSE, compared={"sha256": digest}, values={"detector": label})


def _short_hash(content: bytes, length: int) -> str:
    return hashlib.sha256(content).hexdigest()[: max(length, 8)]


def _encode_parameters(text: str) -> bytes | None:
    """Parameters in the form that the label of a detector hashes; None if the libraries of the gateway are missing."""
    try:
        settings_module = importlib.import_module("gateway.detection.settings")
    except ImportError:
        return None
    try:
        return bytes(settings_module.encode_logged_parameters(text).encode())
    except (ValueError, TypeError, KeyError):  # msgspec.MsgspecError is a ValueError
        return b""
