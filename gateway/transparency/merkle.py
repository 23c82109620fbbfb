"""Hashes and proofs of an append-only Merkle tree: RFC 6962, section 2.1, with SHA-256.

A tree is read through a function (level, index) -> hash of the complete subtree over the leaves
[index * 2**level, (index + 1) * 2**level). Proofs are lists of hashes of 32 bytes, from the leaf upwards.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence

from gateway.transparency.errors import ProofError

ReadHash = Callable[[int, int], bytes]
"""(level, index) -> hash of 32 bytes."""

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()


def hash_leaf(entry: bytes) -> bytes:
    """Hash of an entry of the log."""
    return hashlib.sha256(b"\x00" + entry).digest()


def hash_children(left: bytes, right: bytes) -> bytes:
    """Hash of a node with these two children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class TreeHasher:
    """Root of leaves that are added one after another. It holds a hash per level."""

    def __init__(self) -> None:
        self.size = 0
        self._subtrees: list[bytes] = []  # roots of complete subtrees, the largest first

    def add(self, leaf_hash: bytes) -> None:
        """Add the next leaf."""
        hash_, size = leaf_hash, self.size
        while size % 2:
            hash_, size = hash_children(self._subtrees.pop(), hash_), size // 2
        self._subtrees.append(hash_)
        self.size += 1

    def compute_root(self) -> bytes:
        """Root of the leaves so far."""
        if not self._subtrees:
            return EMPTY_ROOT
        *left_subtrees, root = self._subtrees
        for left in reversed(left_subtrees):
            root = hash_children(left, root)
        return root


def compute_root(size: int, read_hash: ReadHash) -> bytes:
    """Root of the tree of the first `size` leaves."""
    return compute_hash(0, size, read_hash) if size else EMPTY_ROOT


def prove_inclusion(index: int, size: int, read_hash: ReadHash) -> list[bytes]:
    """Proof that leaf `index` is in the tree of `size` leaves. Raises ProofError if the tree has no such leaf."""
    if not 0 <= index < size:
        raise ProofError(f"a log of {size} leaves has no leaf {index}")
    proof, start, end = [], 0, size
    while end - start > 1:
        middle = start + split_width(end - start)
        if index < middle:
            proof.append(compute_hash(middle, end, read_hash))
            end = middle
        else:
            proof.append(compute_hash(start, middle, read_hash))
            start = middle
    return proof[::-1]


def prove_consistency(old_size: int, size: int, read_hash: ReadHash) -> list[bytes]:
    """Proof that the first `old_size` leaves of the tree of `size` leaves are the older tree."""
    if not 0 <= old_size <= size:
        raise ProofError(f"a log of {size} leaves is no continuation of one of {old_size}")
    if old_size in {0, size}:
        return []
    proof, start, end = [], 0, size
    is_old_root = True  # whether [start, old_size) is the whole older tree, which the verifier knows
    while old_size != end:
        middle = start + split_width(end - start)
        if old_size <= middle:
            proof.append(compute_hash(middle, end, read_hash))
            end = middle
        else:
            proof.append(compute_hash(start, middle, read_hash))
            start, is_old_root = middle, False
    if not is_old_root:
        proof.append(compute_hash(start, end, read_hash))
    return proof[::-1]


def root_of_inclusion(index: int, size: int, leaf_hash: bytes, proof: Sequence[bytes]) -> bytes:
    """Root that this proof leads to. Raises ProofError if its length does not fit the index and size."""
    if not 0 <= index < size:
        raise ProofError(f"a log of {size} leaves has no leaf {index}")
    root = leaf_hash
    for sibling, is_left in _walk_to_root(index, size - 1, proof, "inclusion"):
        root = hash_children(sibling, root) if is_left else hash_children(root, sibling)
    return root


def check_inclusion(index: int, size: int, leaf_hash: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Raise ProofError unless the proof leads from this leaf to this root."""
    if root_of_inclusion(index, size, leaf_hash, proof) != root:
        raise ProofError(f"the proof of leaf {index} does not lead to the root of the log of {size} leaves")


def check_consistency(old_size: int, size: int, old_root: bytes, root: bytes, proof: Sequence[bytes]) -> None:
    """Raise ProofError unless the tree of `size` leaves continues the older one."""
    if not 0 <= old_size <= size:
        raise ProofError(f"the log shrank from {old_size} to {size} leaves")
    if old_size in {0, size}:
        if proof:
            raise ProofError(f"a consistency proof from {old_size} to {size} leaves must be empty")
        if old_size == size and old_root != root:
            raise ProofError(f"two heads of {size} leaves have different roots: the log was forked")
        return
    old, new = _roots_of_consistency(old_size, size, old_root, proof)
    if old != old_root or new != root:
        raise ProofError(
            f"the head of {size} leaves does not continue the one of {old_size} leaves: the log was forked"
        )


def _roots_of_consistency(old_size: int, size: int, old_root: bytes, proof: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Roots of the older and the newer tree that a consistency proof leads to (RFC 9162, section 2.1.4.2)."""
    hashes = list(proof) if old_size & (old_size - 1) else [old_root, *proof]
    if not hashes:
        raise ProofError("the consistency proof is empty")
    node, last = old_size - 1, size - 1
    while node % 2:
        node, last = node // 2, last // 2
    old = new = hashes[0]
    for sibling, is_left in _walk_to_root(node, last, hashes[1:], "consistency"):
        if is_left:
            old, new = hash_children(sibling, old), hash_children(sibling, new)
        else:
            new = hash_children(new, sibling)
    return old, new


def _walk_to_root(node: int, last: int, siblings: Iterable[bytes], kind: str) -> Iterator[tuple[bytes, bool]]:
    """Yield each hash of a proof, and whether it is to the left of the path from `node` to the root.

    `last` is the last node of the same level. Raises ProofError unless the path ends with the proof.
    """
    for sibling in siblings:
        if last == 0:
            raise ProofError(f"the {kind} proof is longer than the path to the root")
        is_left = bool(node % 2) or node == last
        yield sibling, is_left
        while is_left and node and node % 2 == 0:
            node, last = node // 2, last // 2
        node, last = node // 2, last // 2
    if last:
        raise ProofError(f"the {kind} proof is shorter than the path to the root")


def compute_hash(start: int, end: int, read_hash: ReadHash) -> bytes:
    """Hash of the leaves [start, end), a subtree of RFC 6962: `start` is a multiple of its rounded-up width."""
    width = end - start
    if width & (width - 1) == 0:
        level = width.bit_length() - 1
        return read_hash(level, start >> level)
    middle = start + split_width(width)
    return hash_children(compute_hash(start, middle, read_hash), compute_hash(middle, end, read_hash))


def split_width(width: int) -> int:
    """Largest power of two below `width`, which is at least 2."""
    return 1 << ((width - 1).bit_length() - 1)
