"""Roots and proofs against the vectors of RFC 6962, and against every size up to 300 leaves."""

import pytest

from gateway.transparency.errors import ProofError
from gateway.transparency.merkle import (
    EMPTY_ROOT,
    check_consistency,
    check_inclusion,
    compute_root,
    hash_leaf,
    prove_consistency,
    prove_inclusion,
)
from gateway.transparency.tiles import hash_levels

# leaves and roots of RFC 6962's reference implementation
ENTRIES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = ["6e340b9c", "fac54203", "aeb6bcfe", "d37ee418", "4e3bbb1f", "76e67dad", "ddb89be4", "5dc9da79"]
LEAVES = [hash_leaf(str(i).encode()) for i in range(300)]


def reader(leaves):
    return lambda level, index: hash_levels(leaves[index << level : (index + 1) << level])


def test_roots_are_those_of_the_reference_implementation():
    leaves = [hash_leaf(entry) for entry in ENTRIES]
    assert [compute_root(size, reader(leaves)).hex()[:8] for size in range(1, 9)] == ROOTS
    assert compute_root(0, reader([])) == EMPTY_ROOT


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 64, 100, 255, 256, 257, 300])
def test_every_leaf_is_proven_and_no_other_leaf_index_size_or_hash_is(size):
    root = compute_root(size, reader(LEAVES))
    for index in range(size):
        proof = prove_inclusion(index, size, reader(LEAVES))
        check_inclusion(index, size, LEAVES[index], proof, root)
        wrong = [
            (index, size, LEAVES[(index + 1) % 300], proof),
            (index + 1, size, LEAVES[index], proof),
            (index, size, LEAVES[index], [*proof, LEAVES[0]]),
            (index, size, LEAVES[index], proof[:-1] if proof else [LEAVES[0]]),
            (index, size, LEAVES[index], [b"\0" * 32, *proof[1:]]) if proof else (index, 0, LEAVES[index], proof),
        ]
        for arguments in wrong:
            with pytest.raises(ProofError):
                check_inclusion(*arguments, root)


@pytest.mark.slow
def test_every_older_head_up_to_300_leaves_is_proven_consistent_and_no_other_head_is():
    roots = [compute_root(size, reader(LEAVES)) for size in range(301)]
    for size in range(301):
        for old_size in range(size + 1):
            proof = prove_consistency(old_size, size, reader(LEAVES))
            check_consistency(old_size, size, roots[old_size], roots[size], proof)
            if old_size > 0:
                with pytest.raises(ProofError):
                    check_consistency(old_size, size, roots[old_size - 1], roots[size], proof)
            if 0 < old_size < size:
                with pytest.raises(ProofError):
                    check_consistency(old_size, size, roots[old_size], roots[size - 1], proof)
                with pytest.raises(ProofError):
                    check_consistency(old_size, size, roots[old_size], roots[size], [*proof, LEAVES[0]])
                with pytest.raises(ProofError):
                    check_consistency(old_size, size, roots[old_size], roots[size], proof[:-1])


def test_a_smaller_head_is_refused_by_name():
    with pytest.raises(ProofError, match="shrank from 3 to 2"):
        check_consistency(3, 2, LEAVES[0], LEAVES[1], [])
    with pytest.raises(ProofError, match="forked"):
        check_consistency(3, 3, LEAVES[0], LEAVES[1], [])
    with pytest.raises(ProofError, match="no continuation"):
        prove_consistency(3, 2, reader(LEAVES))
    with pytest.raises(ProofError, match="no leaf 3"):
        prove_inclusion(3, 3, reader(LEAVES))
