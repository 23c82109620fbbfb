"""Proofs that adjacent leaves are in a log: the hashes of the subtrees beside them, from left to right. Pure.

Such a proof shows more than a proof of each leaf: no leaf between the first and the last is missing, and their order is
that of the log. It has at most two hashes per level of the tree. Dossiers have one, `piekwacht verify` checks it.
"""

from collections.abc import Iterator, Sequence

from gateway.transparency.errors import ProofError
from gateway.transparency.merkle import ReadHash, compute_hash, hash_children, split_width


def prove_range(first: int, end: int, size: int, read_hash: ReadHash) -> list[bytes]:
    """Proof of the leaves [first, end) in the tree of `size` leaves. Raises ProofError if the tree lacks one."""
    _check_bounds(first, end, size)

    def collect(start: int, stop: int) -> Iterator[bytes]:
        if stop <= first or start >= end:
            yield compute_hash(start, stop, read_hash)
        elif not first <= start < stop <= end:
            middle = start + split_width(stop - start)
            yield from collect(start, middle)
            yield from collect(middle, stop)

    return list(collect(0, size))


def check_range(first: int, size: int, leaf_hashes: Sequence[bytes], proof: Sequence[bytes], root: bytes) -> None:
    """Raise ProofError unless the leaves with these hashes stand in the tree from index `first` on."""
    end = first + len(leaf_hashes)
    _check_bounds(first, end, size)
    siblings = iter(proof)

    def compute(start: int, stop: int) -> bytes:
        if stop <= first or start >= end:
            sibling = next(siblings, None)
            if sibling is None:
                raise ProofError(f"the proof of the leaves {first} to {end - 1} is too short")
            return sibling
        if stop - start == 1:
            return leaf_hashes[start - first]
        middle = start + split_width(stop - start)
        return hash_children(compute(start, middle), compute(middle, stop))

    if compute(0, size) != root or next(siblings, None) is not None:
        raise ProofError(f"the leaves {first} to {end - 1} are not those of the log of {size} leaves")


def _check_bounds(first: int, end: int, size: int) -> None:
    if not 0 <= first < end <= size:
        raise ProofError(f"a log of {size} leaves has no leaves {first} to {end - 1}")
