"""Verify an evidence file: every step in order, from the node's signature to the time stamp. Pure apart from caches."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import msgspec
from msgspec import Struct

from gateway.transparency.errors import ProofError
from gateway.transparency.leaf import LeafKind
from gateway.transparency.policy import Policy
from gateway.verification.batch_steps import OpenedBatch, open_batch
from gateway.verification.correction_step import check_correction
from gateway.verification.document_steps import (
    RULE_KINDS,
    ProvenDocument,
    check_delivery,
    check_document,
    check_event,
)
from gateway.verification.evidence_file import EvidenceFile, LoggedDocument, SignedBatch
from gateway.verification.head_step import compare_heads
from gateway.verification.membership import HeadJudge, Membership, describe_quorum, read_policy
from gateway.verification.node_key_step import check_node_key, read_node_key
from gateway.verification.step import StepState, VerificationStep, is_any_false, make_step
from gateway.verification.time_stamp_step import check_time_stamp
from gateway.verification.value_steps import check_published, check_value


class TrustedByReader(Struct, frozen=True, kw_only=True):
    """Policy, heads and certificate of the reader. `policy` None: the policy in the file judges, as a step states.

    `heads`: checkpoints that the reader has of the log; `certificate`: PEM of a time-stamp authority.
    """

    policy: Policy | None = None
    heads: tuple[bytes, ...] = ()
    certificate: bytes | None = None


class EvidenceChecker:
    """Checks evidence files; each head, proof and policy of theirs is verified once."""

    def __init__(self, trusted: TrustedByReader) -> None:
        self._trusted = trusted
        self._own_judge = None if trusted.policy is None else HeadJudge(trusted.policy, is_own=True)
        self._judges: dict[str, HeadJudge] = {}
        self.batch_numbers: dict[tuple[str, str], set[int]] = {}
        """Numbers of the true batches by node and incarnation."""

    def check(self, content: bytes, detected: AbstractSet[str] = frozenset()) -> list[VerificationStep]:
        """Steps of one evidence file; one false step if it cannot be read.

        `detected`: documents of events that a detection file beside it is about; its steps state whether they hold.
        """
        try:
            evidence = EvidenceFile.parse(content)
        except ProofError as error:
            return [make_step("file", StepState.FALSE, reason=str(error))]
        try:
            judge, policy_step = self.choose_judge(evidence.policy)
        except ProofError as error:
            return [make_step("policy", StepState.FALSE, reason=str(error))]
        opened, steps = _check_batch(evidence, judge)
        minute_batches = [_check_minute_batch(evidence, item, judge) for item in evidence.minute_batches]
        for batch in (opened, *(batch for batch, _ in minute_batches)):
            self._add_number(batch)
        steps = [policy_step, *steps, *_check_documents(evidence, opened, minute_batches, judge, detected)]
        if evidence.time_stamp is not None:
            heads = [head for head in judge.heads if not head.log_fault]
            steps.append(check_time_stamp(evidence.time_stamp, heads, self._trusted.certificate))
        return steps

    def check_heads(self) -> list[VerificationStep]:
        """Steps that compare all heads of the files with each other and with those of the reader."""
        judges = [*self._judges.values(), *([self._own_judge] if self._own_judge else [])]
        steps: list[VerificationStep] = []
        for judge in judges:
            readers = [judge.judge(note) for note in self._trusted.heads]
            steps += [make_step("reader_head", StepState.FALSE, reason=head.fault) for head in readers if head.fault]
            steps += compare_heads(judge.heads)
        return steps

    def _add_number(self, opened: OpenedBatch) -> None:
        if opened.batch is not None and not is_any_false(opened.steps):
            self.batch_numbers.setdefault((opened.batch.node, opened.batch.inc), set()).add(opened.batch.seq)

    def choose_judge(self, policy_text: str) -> tuple[HeadJudge, VerificationStep]:
        """Judge by the policy of the reader, else by that of the file. Raises ProofError if it cannot be read."""
        if self._own_judge is not None:
            judge, state, variant = self._own_judge, StepState.OK, "own"
        else:
            if policy_text not in self._judges:
                self._judges[policy_text] = HeadJudge(read_policy(policy_text), is_own=False)
            judge, state, variant = self._judges[policy_text], StepState.UNCHECKED, "file"
        logs = ", ".join(f"{name} (key {log.key.key_id.hex()})" for name, log in sorted(judge.policy.logs.items()))
        return judge, make_step(
            "policy", state, variant, values={"logs": logs, "quorum": describe_quorum(judge.policy)}
        )


def _check_batch(evidence: EvidenceFile, judge: HeadJudge) -> tuple[OpenedBatch, list[VerificationStep]]:
    """Steps of the batch, of the node's key, and of the value in the batch."""
    try:
        verifier = read_node_key(evidence.node_key.leaf).verifier
    except ProofError:
        verifier = None  # the step of the node's key gives the reason
    opened = open_batch(evidence.batch, verifier, judge)
    key_step = check_node_key(evidence.node_key, opened, evidence.claim, evidence.batch.node, judge)
    opened = msgspec.structs.replace(opened, steps=(*opened.steps, key_step))
    steps = [*opened.steps]
    if evidence.claim is not None:
        steps += [*check_value(evidence.claim, opened), check_published(evidence.claim)]
    return opened, steps


def _check_documents(
    evidence: EvidenceFile,
    opened: OpenedBatch,
    minute_batches: Sequence[tuple[OpenedBatch, VerificationStep]],
    judge: HeadJudge,
    detected: AbstractSet[str],
) -> list[VerificationStep]:
    """Steps of rules, corrected value, events and deliveries."""
    batch = opened.membership
    rules, rule_steps = _check_all("rule", evidence.rules, RULE_KINDS, batch, judge)
    events, event_steps = _check_all("event", evidence.events, frozenset({LeafKind.EVENT}), batch, judge)
    steps = [*rule_steps, *_check_corrected(evidence, opened, rules, minute_batches), *event_steps]
    for event in events:
        steps += check_event(event, rules, evidence.claim)
        if event.text not in detected:
            steps.append(make_step("detection", StepState.UNCHECKED, values={"event": event.leaf.fields[0]}))
    return steps + [check_delivery(delivery, batch, judge) for delivery in evidence.deliveries]


def _check_all(
    name: str, items: Sequence[LoggedDocument], kinds: frozenset[LeafKind], batch: Membership, judge: HeadJudge
) -> tuple[list[ProvenDocument], list[VerificationStep]]:
    results = [check_document(name, item, kinds, batch, judge) for item in items]
    return [document for document, _ in results if document is not None], [step for _, step in results]


def _check_corrected(
    evidence: EvidenceFile,
    opened: OpenedBatch,
    rules: Sequence[ProvenDocument],
    minute_batches: Sequence[tuple[OpenedBatch, VerificationStep]],
) -> list[VerificationStep]:
    claim = evidence.claim
    steps = [step for _, step in minute_batches]
    if claim is None or (claim.published.rule is None and claim.published.corrected is None):
        return steps
    if is_any_false([*opened.steps, *steps]):
        return [*steps, make_step("correction", StepState.UNCHECKED, "batches")]
    return [*steps, check_correction(claim, rules, [opened, *(batch for batch, _ in minute_batches)])]


def _check_minute_batch(
    evidence: EvidenceFile, item: SignedBatch, judge: HeadJudge
) -> tuple[OpenedBatch, VerificationStep]:
    """One step for a batch of the minute of the claim: all that `_check_batch` checks of a batch."""
    related = msgspec.structs.replace(evidence, batch=item, claim=None)
    opened, steps = _check_batch(related, judge)
    faults = [step.describe() for step in steps if step.state is StepState.FALSE]
    if item.node != evidence.batch.node:
        faults.append(f"it is of {item.node}")
    values = {"number": item.number, "node": item.node, "index": opened.membership.index}
    if faults:
        return opened, make_step("minute_batch", StepState.FALSE, reason=faults[0], values=values)
    return opened, make_step("minute_batch", StepState.OK, values=values)
