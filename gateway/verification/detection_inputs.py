"""The batches of a detection file: all that a log has between two leaves, each signed by its node.

The file is read twice: once to verify every leaf, then to run the detector. In memory is the hash of each leaf.
"""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice

from msgspec import Struct

from edge_agent.signing import NoteError, split_note
from gateway.transparency.checkpoint import decode_hash
from gateway.transparency.errors import ProofError
from gateway.transparency.leaf import Leaf, LeafKind, describe_batch
from gateway.transparency.merkle import hash_leaf
from gateway.transparency.range_proof import check_range
from gateway.verification.batch_steps import read_batch
from gateway.verification.detection_file import DetectionHeader, DetectionLeaf, DetectionReader
from gateway.verification.membership import HeadJudge, Membership
from gateway.verification.moment import to_ms
from gateway.verification.node_key_step import NodeKey, read_node_key
from gateway.verification.step import StepState, VerificationStep, make_step


class InputBatch(Struct, frozen=True, kw_only=True):
    """A batch as it arrived. `key`: the verifier key that its node had."""

    node: str
    key: str
    payload: bytes
    received_at: datetime
    late: bool


class DetectionInputs:
    """The batches of a file, whose signatures were verified; each call of `iterate` reads the file again."""

    def __init__(self, reader: DetectionReader, keys: Sequence[tuple[str, str]], key_numbers: Sequence[int]) -> None:
        """`keys`: (node, verifier key); `key_numbers`: of each leaf the number of its key, -1 for one of no batch."""
        self._reader, self._keys, self._key_numbers = reader, keys, key_numbers

    def count(self, last_leaf: int) -> int:
        """Number of batches up to a leaf of the log."""
        return sum(number >= 0 for number in self._key_numbers[: self._length(last_leaf)])

    def iterate(self, last_leaf: int) -> Iterator[InputBatch]:
        """Yield the batches up to a leaf of the log. Raises ProofError if the file cannot be read any more."""
        leaves = islice(self._reader.iterate_leaves(), self._length(last_leaf))
        for item, number in zip(leaves, self._key_numbers, strict=False):
            if number >= 0 and item.received_at is not None:
                node, key = self._keys[number]
                yield InputBatch(
                    node=node, key=key, payload=item.decode_signed(), received_at=item.received_at, late=item.late
                )

    def _length(self, last_leaf: int) -> int:
        return max(0, last_leaf - self._reader.header.first_leaf + 1)


class _LoggedKey(Struct, frozen=True, kw_only=True):
    index: int
    key: NodeKey


def read_inputs(
    reader: DetectionReader, place: Membership, judge: HeadJudge
) -> tuple[DetectionInputs, VerificationStep]:
    """Verify that these are all leaves of the log from the first to the last, and that nodes signed the batches.

    `place`: first leaf, and the head of the file. If the step is false, there are no batches.
    """
    header = reader.header
    last = header.first_leaf + header.leaf_count - 1
    values = {"first": header.first_leaf, "last": last, "log": place.origin or "?"}
    try:
        inputs = _verify_leaves(reader, place, judge)
    except ProofError as error:
        return DetectionInputs(reader, [], []), make_step("leaves", StepState.FALSE, reason=str(error), values=values)
    root = place.head.checkpoint.root.hex() if place.head and place.head.checkpoint else "?"
    values["batches"] = inputs.count(last)
    return inputs, make_step("leaves", StepState.OK, compared={"root": root, "size": place.size}, values=values)


def _verify_leaves(reader: DetectionReader, place: Membership, judge: HeadJudge) -> DetectionInputs:
    if place.head is None or place.head.checkpoint is None or place.head.fault:
        raise ProofError(place.whole_fault)
    header = reader.header
    keys_by_node = _read_keys(header, place, judge)
    numbers: dict[tuple[str, str], int] = {}
    hashes, key_numbers = list[bytes](), array("l")
    for index, item in enumerate(reader.iterate_leaves(), start=header.first_leaf):
        if item.signed is None:
            entry, number = _read_entry(item, index), -1
        else:
            entry, key = _read_batch(item, index, keys_by_node)
            number = numbers.setdefault(key, len(numbers))
        key_numbers.append(number)
        hashes.append(hash_leaf(entry))
    proof = [decode_hash(line) for line in header.range_proof]
    checkpoint = place.head.checkpoint
    check_range(header.first_leaf, checkpoint.size, hashes, proof, checkpoint.root)
    return DetectionInputs(reader, list(numbers), key_numbers)


def _read_entry(item: DetectionLeaf, index: int) -> bytes:
    entry = (item.entry or "").encode()
    if Leaf.parse(entry).kind is LeafKind.BATCH:
        raise ProofError(f"the signed bytes of the batch in leaf {index} are missing")
    return entry


def _read_batch(
    item: DetectionLeaf, index: int, keys: Mapping[str, Sequence[_LoggedKey]]
) -> tuple[bytes, tuple[str, str]]:
    """Entry of the leaf, node and key. Raises ProofError unless a key that preceded it in the log signed it."""
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
            return entry, (batch.node, str(logged.key.verifier))
    raise ProofError(f"no key of {batch.node} that the log names before leaf {index} signed batch {batch.seq}")


def _read_keys(header: DetectionHeader, place: Membership, judge: HeadJudge) -> dict[str, list[_LoggedKey]]:
    """Keys by node; each leaf is in the log of the batches."""
    keys: dict[str, list[_LoggedKey]] = {}
    for item in header.node_keys:
        membership = judge.find_leaf(item.leaf.encode(), item.proof)
        key = read_node_key(item.leaf)
        if membership.whole_fault or membership.origin != place.origin:
            raise ProofError(f"the key of {key.node}: {membership.whole_fault or 'it is in another log'}")
        keys.setdefault(key.node, []).append(_LoggedKey(index=membership.index, key=key))
    return keys
