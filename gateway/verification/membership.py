"""Whether a leaf is in a log that a policy trusts: proof, head of the log, witnesses. Pure; heads are judged once."""

import hashlib

from msgspec import Struct

from gateway.transparency.checkpoint import Checkpoint, open_checkpoint, read_checkpoint
from gateway.transparency.cosignature import Cosignature
from gateway.transparency.errors import ProofError
from gateway.transparency.merkle import check_inclusion, hash_leaf
from gateway.transparency.policy import Policy
from gateway.transparency.proof_file import LogProof
from gateway.verification.weak_keys import is_weak_key


class Head(Struct, frozen=True, kw_only=True):
    """A checkpoint, and what is wrong with it. An empty fault: nothing.

    `log_fault`: with the signature of the log; `witness_fault`: with those of the witnesses.
    """

    note: bytes
    checkpoint: Checkpoint | None = None
    log_fault: str = ""
    witness_fault: str = ""
    cosignatures: tuple[Cosignature, ...] = ()

    @property
    def fault(self) -> str:
        """The first fault."""
        return self.log_fault or self.witness_fault

    @property
    def digest(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of the note."""
        return hashlib.sha256(self.note).hexdigest()[:16]


class Membership(Struct, frozen=True, kw_only=True):
    """That an entry is leaf `index` of the log with this head; `fault`: why the proof does not show it."""

    index: int = -1
    head: Head | None = None
    fault: str = ""

    @property
    def origin(self) -> str:
        """Name of the log; empty if the head cannot be read."""
        return self.head.checkpoint.origin if self.head is not None and self.head.checkpoint is not None else ""

    @property
    def size(self) -> int:
        """Leaves of the log at this head; 0 if the head cannot be read."""
        return self.head.checkpoint.size if self.head is not None and self.head.checkpoint is not None else 0

    @property
    def whole_fault(self) -> str:
        """The first fault of proof, log or witnesses."""
        return self.fault or (self.head.fault if self.head is not None else "no head")


class HeadJudge:
    """Judges heads by one policy, and each head once: a dossier has a thousand proofs of the same head.

    `is_own`: the reader gave the policy; otherwise sentences state that it came with the file.
    """

    def __init__(self, policy: Policy, *, is_own: bool) -> None:
        self.policy, self.is_own = policy, is_own
        self._heads: dict[bytes, Head] = {}
        self._memberships: dict[tuple[bytes, str], Membership] = {}

    @property
    def heads(self) -> tuple[Head, ...]:
        """All heads that were judged."""
        return tuple(self._heads.values())

    def judge(self, note: bytes) -> Head:
        """Verify a signed checkpoint."""
        head = self._heads.get(note)
        if head is None:
            head = self._heads[note] = _judge(self.policy, note)
        return head

    def find_leaf(self, entry: bytes, proof_text: str) -> Membership:
        """Verify a `.tlog-proof` of this entry."""
        key = (hash_leaf(entry), proof_text)
        membership = self._memberships.get(key)
        if membership is None:
            membership = self._memberships[key] = self._find_leaf(*key)
        return membership

    def _find_leaf(self, leaf_hash: bytes, proof_text: str) -> Membership:
        try:
            proof = LogProof.parse(proof_text.encode())
            head = self.judge(proof.checkpoint)
            if head.checkpoint is None:
                return Membership(index=proof.index, head=head, fault=head.log_fault)
            checkpoint = head.checkpoint
            try:
                check_inclusion(proof.index, checkpoint.size, leaf_hash, proof.hashes, checkpoint.root)
            except ProofError as error:
                return Membership(index=proof.index, head=head, fault=str(error))
            return Membership(index=proof.index, head=head)
        except ProofError as error:
            return Membership(fault=str(error))


def describe_quorum(policy: Policy) -> str:
    """The quorum in any language: `2/3 (a, b, c)`, the name of one witness, or `-`."""
    group = policy.groups.get(policy.quorum or "")
    if group is None:
        return policy.quorum or "-"
    return f"{group.threshold}/{len(group.members)} ({', '.join(group.members)})"


def _judge(policy: Policy, note: bytes) -> Head:
    try:
        checkpoint = read_checkpoint(note)
    except ProofError as error:
        return Head(note=note, log_fault=str(error), witness_fault="no head can be read")
    log = policy.logs.get(checkpoint.origin)
    log_fault = f"the policy does not know the log {checkpoint.origin}" if log is None else ""
    try:
        if log is not None:
            open_checkpoint(note, log.key)
    except ProofError as error:
        log_fault = str(error)
    if log_fault:
        return Head(note=note, checkpoint=checkpoint, log_fault=log_fault, witness_fault="the log did not sign it")
    try:
        _, cosignatures = policy.open(note)
    except ProofError as error:
        return Head(note=note, checkpoint=checkpoint, witness_fault=str(error))
    return Head(note=note, checkpoint=checkpoint, cosignatures=tuple(cosignatures))


def read_policy(text: str) -> Policy:
    """Read a policy whose keys each belong to one person. Raises ProofError; also for a key of small order."""
    policy = Policy.parse(text)
    for name, public in [
        *((log.key.name, log.key.public) for log in policy.logs.values()),
        *((witness.name, witness.key.public) for witness in policy.witnesses.values()),
    ]:
        if is_weak_key(public):
            raise ProofError(f"the key of {name} in the policy has a small order: its signatures fit any text")
    return policy
