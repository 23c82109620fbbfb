"""Steps about a batch: the node signed it, and it is a leaf of a log that the policy trusts. Pure."""

import hashlib

from msgspec import Struct

from edge_agent.signing import NoteError, Verifier, split_note
from edge_agent.wire import MalformedError, ReadingBatch, is_guest
from gateway.transparency.errors import ProofError
from gateway.transparency.leaf import Leaf, describe_batch
from gateway.transparency.strict_json import load_json
from gateway.verification.evidence_file import SignedBatch
from gateway.verification.membership import Head, HeadJudge, Membership, describe_quorum
from gateway.verification.step import StepState, VerificationStep, make_step


class OpenedBatch(Struct, frozen=True, kw_only=True):
    """A batch and the steps about it. `batch` None: the contents cannot be read or are those of another batch."""

    batch: ReadingBatch | None
    membership: Membership
    steps: tuple[VerificationStep, ...]

    def stamps(self) -> list[int]:
        """Times of the readings by the node's clock, in ms UTC."""
        return [] if self.batch is None else [self.batch.t0 + offset for offset in self.batch.dt]


def open_batch(evidence: SignedBatch, verifier: Verifier | None, judge: HeadJudge) -> OpenedBatch:
    """Verify signature, contents, inclusion, head and witnesses of a batch. `verifier` None: its key is unknown."""
    try:
        payload = evidence.decode_signed()
        leaf = describe_batch(evidence.node, evidence.incarnation, evidence.number, payload)
    except ProofError as error:
        step = make_step(
            "batch", StepState.FALSE, reason=str(error), values={"number": evidence.number, "node": evidence.node}
        )
        return OpenedBatch(batch=None, membership=Membership(fault=str(error)), steps=(step,))
    signature_step = _check_signature(payload, verifier, evidence.node)
    batch, content_step = _check_content(payload, evidence)
    membership = judge.find_leaf(leaf.encode(), evidence.proof)
    head_steps = describe_membership(membership, leaf, judge)
    return OpenedBatch(batch=batch, membership=membership, steps=(signature_step, content_step, *head_steps))


def _check_signature(payload: bytes, verifier: Verifier | None, node: str) -> VerificationStep:
    compared: dict[str, object] = {"sha256": hashlib.sha256(payload).hexdigest()}
    if verifier is None:
        return make_step("signature", StepState.UNCHECKED, compared=compared, values={"node": node})
    compared["key id"] = verifier.key_id.hex()
    try:
        verifier.open(payload)
    except NoteError as error:
        return make_step("signature", StepState.FALSE, compared=compared, reason=str(error), values={"node": node})
    variant = "notary" if is_guest(node) else ""
    values = {"node": node, "bytes": len(payload)}
    return make_step("signature", StepState.OK, variant, compared=compared, values=values)


def _check_content(payload: bytes, evidence: SignedBatch) -> tuple[ReadingBatch | None, VerificationStep]:
    expected = (evidence.node, evidence.incarnation, evidence.number)
    try:
        batch = read_batch(split_note(payload)[0])
        if (batch.node, batch.inc, batch.seq) != expected:
            raise ProofError(f"the bytes are batch {batch.seq} of {batch.node} {batch.inc}")
    except (NoteError, ProofError) as error:
        step = make_step(
            "batch", StepState.FALSE, reason=str(error), values={"number": evidence.number, "node": evidence.node}
        )
        return None, step
    return batch, make_step("batch", StepState.OK, values={"number": batch.seq, "node": batch.node})


def read_batch(text: bytes) -> ReadingBatch:
    """Read the text of a batch as the gateway does. Raises ProofError also if two readers could differ: a key twice."""
    try:
        batch = ReadingBatch.decode(text)
    except MalformedError as error:
        raise ProofError(str(error)) from None
    load_json(text)
    return batch


def describe_membership(
    membership: Membership, leaf: Leaf, judge: HeadJudge
) -> tuple[VerificationStep, VerificationStep, VerificationStep]:
    """Steps of the inclusion of a leaf, of the signature of the log and of the witnesses."""
    head = membership.head or Head(note=b"", log_fault="no head can be read", witness_fault="no head can be read")
    place = {"index": membership.index, "size": membership.size, "log": membership.origin or "?"}
    inclusion = make_step(
        "inclusion",
        StepState.FALSE if membership.fault else StepState.OK,
        compared={"leaf": leaf.content, "index": membership.index, "size": membership.size},
        reason=membership.fault,
        values=place,
    )
    root = head.checkpoint.root.hex() if head.checkpoint is not None else "?"
    checkpoint = make_step(
        "checkpoint",
        StepState.FALSE if head.log_fault else StepState.OK,
        "" if judge.is_own or head.log_fault else "file",
        compared={"root": root, "size": membership.size},
        reason=head.log_fault,
        values=place,
    )
    return inclusion, checkpoint, _describe_witnesses(head, judge)


def _describe_witnesses(head: Head, judge: HeadJudge) -> VerificationStep:
    values = {
        "witnesses": ", ".join(item.witness for item in head.cosignatures) or "-",
        "quorum": describe_quorum(judge.policy),
    }
    compared = {item.witness: item.time for item in head.cosignatures}
    if head.witness_fault:
        return make_step("witnesses", StepState.FALSE, reason=head.witness_fault, values=values)
    if judge.policy.quorum is None:
        return make_step("witnesses", StepState.UNCHECKED, compared=compared, values=values)
    return make_step("witnesses", StepState.OK, "" if judge.is_own else "file", compared=compared, values=values)
