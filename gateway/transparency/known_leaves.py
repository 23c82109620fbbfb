"""Which rows of the database the leaves of a published log were made of. Pure; used when a log is recovered.

A restored database still has rows that waited for their leaves at the time of the backup. These leaves are in the
published log already, and must not be made a second time. Of what was written after the backup, only the leaf is left.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from gateway.transparency.leaf import Leaf, LeafKind
from gateway.transparency.sources import DeliveryRecord, NewLeaf, SourceRow, plan_leaves

_MOST_MERGED = 1_000  # rows that one step makes into one leaf
_MERGED_KINDS = frozenset({LeafKind.DELIVERY, LeafKind.REMOVED})


class KnownLeaf(Struct, frozen=True, kw_only=True):
    """A leaf with its source and document, and the ids of the rows of `log_source` that it was made of."""

    new: NewLeaf
    row_ids: Sequence[int] = ()


class KnownLeaves:
    """Finds the rows behind leaves, which are given in their order."""

    def __init__(self, rules: Iterable[NewLeaf], rows: Sequence[SourceRow], deliveries: DeliveryRecord) -> None:
        """`rows`: those that wait in the database; `deliveries`: the record at the end of the database's leaves."""
        self.deliveries = deliveries
        self._single: dict[Leaf, KnownLeaf] = {rule.leaf: KnownLeaf(new=rule) for rule in rules}
        self._merged: dict[LeafKind, list[SourceRow]] = {kind: [] for kind in _MERGED_KINDS}
        for row in rows:
            kind = LeafKind(f"piekwacht/{row.kind}@v1")
            if kind in _MERGED_KINDS:
                self._merged[kind].append(row)
            else:
                (new,), _ = plan_leaves([row], deliveries)
                self._single.setdefault(new.leaf, KnownLeaf(new=new, row_ids=[row.id]))

    def find(self, leaf: Leaf) -> KnownLeaf | None:
        """Return what the next leaf was made of; None if the database does not have it. Not for leaves of batches."""
        if leaf.kind not in _MERGED_KINDS:
            return self._single.pop(leaf, None)
        known_leaf = self._match_rows(leaf)
        if leaf.kind is LeafKind.DELIVERY:
            self.deliveries = DeliveryRecord(count=int(leaf.fields[0]), head=leaf.content)
        return known_leaf

    def _match_rows(self, leaf: Leaf) -> KnownLeaf | None:
        """Match the first rows of the kind. Those that waited together are one leaf."""
        rows = self._merged[leaf.kind]
        for count in range(1, min(len(rows), _MOST_MERGED) + 1):
            leaves, _ = plan_leaves(rows[:count], self.deliveries)
            if len(leaves) > 1:
                return None
            if leaves[0].leaf == leaf:
                self._merged[leaf.kind] = rows[count:]
                return KnownLeaf(new=leaves[0], row_ids=[row.id for row in rows[:count]])
        return None
