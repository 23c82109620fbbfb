"""A range proof shows all adjacent leaves of a log, in their order, and nothing else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.signing import Signer
from gateway.transparency.errors import ProofError
from gateway.transparency.merkle import compute_root, hash_leaf
from gateway.transparency.range_proof import check_range, prove_range
from tests.gateway.transparency.leaf_log import LeafLog

SIZES = (*range(1, 20), 31, 32, 33, 64, 65)


def make_log(size):
    return LeafLog(Signer.generate("example/log/x"), [f"leaf {number}".encode() for number in range(size)])


def hash_all(log):
    return [hash_leaf(leaf) for leaf in log.leaves]


@pytest.mark.parametrize("size", SIZES)
def test_every_range_of_a_log_is_proven(size):
    log = make_log(size)
    hashes, root = hash_all(log), compute_root(size, log.read_hash)
    for first in range(size):
        for end in range(first + 1, size + 1):
            proof = prove_range(first, end, size, log.read_hash)
            assert len(proof) <= 2 * size.bit_length()
            check_range(first, size, hashes[first:end], proof, root)


@settings(deadline=None)  # of the tests, not of the code: the machine may be busy
@given(st.data())
def test_a_range_with_a_leaf_that_is_missing_changed_added_or_moved_is_refused(data):
    size = data.draw(st.integers(2, 40))
    log = make_log(size)
    hashes, root = hash_all(log), compute_root(size, log.read_hash)
    first = data.draw(st.integers(0, size - 1))
    end = data.draw(st.integers(first + 1, size))
    proof, leaves = prove_range(first, end, size, log.read_hash), hashes[first:end]
    at = data.draw(st.integers(0, len(leaves) - 1))
    attacks = [
        (first, leaves[:at] + leaves[at + 1 :], proof),
        (first, [*leaves[:at], b"x" * 32, *leaves[at + 1 :]], proof),
        (first, [*leaves[:at], leaves[at], *leaves[at:]], proof),
        (first + 1, leaves, proof),
        (first - 1, leaves, proof),
        (first, leaves, [*proof, b"x" * 32]),
        (first, leaves, proof[:-1] if proof else [root]),
    ]
    assert [is_refused(begin, size, changed, siblings, root) for begin, changed, siblings in attacks] == [True] * 7


def is_refused(*arguments):
    try:
        check_range(*arguments)
    except ProofError:
        return True
    return False


@pytest.mark.parametrize(("first", "end"), [(0, 0), (-1, 2), (3, 6), (5, 5)])
def test_leaves_that_a_log_does_not_have_cannot_be_proven(first, end):
    log = make_log(5)
    with pytest.raises(ProofError, match="a log of 5 leaves has no leaves"):
        prove_range(first, end, 5, log.read_hash)
