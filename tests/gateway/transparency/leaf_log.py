"""A public log in memory, for tests: its leaves, heads and proofs by the pure core."""

from gateway.transparency.checkpoint import Checkpoint
from gateway.transparency.merkle import compute_root, hash_leaf, prove_inclusion
from gateway.transparency.proof_file import LogProof
from gateway.transparency.tiles import hash_levels


class LeafLog:
    """A log with this key; `leaves` are entries and may be changed, as an attacker would."""

    def __init__(self, signer, leaves=()):
        self.signer, self.leaves = signer, list(leaves)

    @property
    def origin(self):
        return self.signer.name

    def add(self, entry):
        self.leaves.append(entry)
        return len(self.leaves) - 1

    def read_hash(self, level, index):
        return hash_levels([hash_leaf(leaf) for leaf in self.leaves[index << level : (index + 1) << level]])

    def checkpoint(self, size=None):
        size = len(self.leaves) if size is None else size
        return Checkpoint(origin=self.origin, size=size, root=compute_root(size, self.read_hash))

    def prove(self, index, note, size=None):
        """Text of the proof that leaf `index` is in the head of this note, which has `size` leaves."""
        size = len(self.leaves) if size is None else size
        hashes = tuple(prove_inclusion(index, size, self.read_hash))
        return LogProof(index=index, hashes=hashes, checkpoint=note).encode().decode()
