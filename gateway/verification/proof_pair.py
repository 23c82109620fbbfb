"""Verify a batch with its `.tlog-proof` alone: what the API gives for one batch, without an evidence file."""

import base64

from edge_agent.signing import NoteError, Verifier, split_note
from gateway.transparency.errors import ProofError
from gateway.transparency.policy import Policy
from gateway.verification.batch_steps import open_batch, read_batch
from gateway.verification.evidence_file import SignedBatch
from gateway.verification.membership import HeadJudge, describe_quorum
from gateway.verification.step import StepState, VerificationStep, make_step


def check_pair(proof: bytes, payload: bytes, policy: Policy, node_key: Verifier | None) -> list[VerificationStep]:
    """Steps of a batch and its proof. `node_key` None: the signature of the node is not checked."""
    try:
        text = proof.decode()
        batch = read_batch(split_note(payload)[0])
    except (UnicodeDecodeError, NoteError, ProofError) as error:
        return [make_step("file", StepState.FALSE, reason=str(error))]
    evidence = SignedBatch(
        node=batch.node,
        incarnation=batch.inc,
        number=batch.seq,
        signed=base64.b64encode(payload).decode(),
        proof=text,
    )
    judge = HeadJudge(policy, is_own=True)
    logs = ", ".join(sorted(policy.logs))
    policy_step = make_step("policy", StepState.OK, "own", values={"logs": logs, "quorum": describe_quorum(policy)})
    return [policy_step, *open_batch(evidence, node_key, judge).steps]
