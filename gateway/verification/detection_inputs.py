"""The batches of a detection file: all that a log has between two leaves, each signed by its node. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from edge_agent.signing import NoteError, split_note
from gateway.transparency.checkpoint import decode_hash
from gateway.transparency.errors import ProofError
from gateway.transparency.leaf import Leaf, LeafKind, describe_batch
from gateway.transparency.merkle import hash_leaf
from gateway.transparency.range_proof import check_range
from gateway.verification.batch_steps import read_batch
from gateway.verification.detection_file import DetectionFile, DetectionLeaf
from gateway.verification.membership import HeadJudge, Membership
from gateway.verification.moment import to_ms
from gateway.verification.node_key_step import NodeKey, read_node_key
from gateway.verification.step import StepState, VerificationStep, make_step


class InputBatch(Struct, frozen=True, kw_only=True):
    """A batch as it arrived. `leaf`: its index in the log; `key`: the verifier key that its node had."""

    leaf: int
    node: str
    key: str
    payload: bytes
    received_at: datetime
    late: bool


class _LoggedKey(Struct, frozen=True, kw_only=True):
    index: int
    key: NodeKey


def read_inputs(file: DetectionFile, place: Membership, judge: HeadJudge) -> tuple[list[InputBatch], VerificationStep]:
    """Verify that these are all leaves of the log from the first to the last, and that nodes signed the batches.

    `place`: first leaf, and the head of the file. If the step is false, there are no batches.
    """
    values = {"first": file.first_leaf, "last": file.first_leaf + len(file.leaves) - 1, "log": place.origin or "?"}
    try:
        batches = _read_batches(file, place, judge)
    except ProofError as error:
        return [], make_step("leaves", StepState.FALSE, reason=str(error), values=values)
    root = place.head.checkpoint.root.hex() if place.head and place.head.checkpoint else "?"
    values["batches"] = len(batches)
    return batches, make_step("leaves", StepState.OK, compared={"root": root, "size": place.size}, values=values)


def _read_batches(file: DetectionFile, place: Membership, judge: HeadJudge) -> list[InputBatch]:
    if place.head is None or place.head.checkpoint is None or place.head.fault:
        raise ProofError(place.whole_fault)
    keys = _read_keys(file, place, judge)
    hashes, batches = [], []
    for index, item in enumerate(file.leaves, start=file.first_leaf):
        if item.signed is None:
            entry = _read_entry(item, index)
        else:
            entry, batch = _read_batch(item, index, keys)
            batches.append(batch)
        hashes.append(hash_leaf(entry))
    proof = [decode_hash(line) for line in file.range_proof]
    checkpoint = place.head.checkpoint
    check_range(file.first_leaf, checkpoint.size, hashes, proof, checkpoint.root)
    return batches


def _read_entry(item: DetectionLeaf, index: int) -> bytes:
    entry = (item.entry or "").encode()
    if Leaf.parse(entry).kind is LeafKind.BATCH:
        raise ProofError(f"the signed bytes of the batch in leaf {index} are missing")
    return entry


def _read_batch(item: DetectionLeaf, index: int, keys: Mapping[str, Sequence[_LoggedKey]]) -> tuple[bytes, InputBatch]:
    """Entry of the leaf, and the batch. Raises ProofError unless a key that preceded it in the log signed it."""
    payload = item.decode_signed()
    if item.entry is not None or item.received_at is None:
        raise ProofError(f"leaf {index} has a text beside its batch, or no time of arrival")
    try:
        batch = read_batch(split_note(payload)[0])
    except NoteError as error:
        raise ProofError(f"the batch in leaf {index}: {error}") from None
    received_ms = to_ms(item.received_at)
    for logged in keys.get(batch.node, ()):
        if logged.index < index and logged.key.from_ms <= received_ms < logged.key.until_ms:
            try:
                logged.key.verifier.open(payload)
            except NoteError:
                continue
            entry = describe_batch(batch.node, batch.inc, batch.seq, payload).encode()
            arrived = InputBatch(
                leaf=index,
                node=batch.node,
                key=str(logged.key.verifier),
                payload=payload,
                received_at=item.received_at,
                late=item.late,
            )
            return entry, arrived
    raise ProofError(f"no key of {batch.node} that the log names before leaf {index} signed batch {batch.seq}")


def _read_keys(file: DetectionFile, place: Membership, judge: HeadJudge) -> dict[str, list[_LoggedKey]]:
    """Keys by node; each leaf is in the log of the batches."""
    keys: dict[str, list[_LoggedKey]] = {}
    for item in file.node_keys:
        membership = judge.find_leaf(item.leaf.encode(), item.proof)
        key = read_node_key(item.leaf)
        if membership.whole_fault or membership.origin != place.origin:
            raise ProofError(f"the key of {key.node}: {membership.whole_fault or 'it is in another log'}")
        keys.setdefault(key.node, []).append(_LoggedKey(index=membership.index, key=key))
    return keys
