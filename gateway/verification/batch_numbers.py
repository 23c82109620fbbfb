"""Numbers of batches in a log, per spool of a node, as ranges: which are missing and which stand there twice."""

from bisect import bisect_right
from itertools import pairwise

from gateway.transparency.leaf import Leaf, LeafKind

Ranges = list[list[int]]
"""[first, last] of each run of numbers, in order."""


class BatchNumbers:
    """Ranges per spool. The key is `<node> <incarnation>`; `ranges` can be stored as JSON."""

    def __init__(self, ranges: dict[str, Ranges]) -> None:
        self.ranges = {spool: [[*pair] for pair in pairs] for spool, pairs in ranges.items()}

    def add(self, leaf: Leaf) -> bool:
        """Take in the leaf of a batch; return False if its number was there already, True for other leaves."""
        if leaf.kind is not LeafKind.BATCH:
            return True
        node, incarnation, number = leaf.fields
        return _add_number(self.ranges.setdefault(f"{node} {incarnation}", []), int(number))

    def list_gaps(self) -> list[str]:
        """Describe the numbers that are missing between others. They may still come: a node sends late batches too."""
        return [
            f"{spool}: {before + 1} to {after - 1}"
            for spool, pairs in sorted(self.ranges.items())
            for (_, before), (after, _) in pairwise(pairs)
        ]


def _add_number(pairs: Ranges, number: int) -> bool:
    position = bisect_right(pairs, number, key=lambda pair: pair[0])
    left = pairs[position - 1] if position else None
    right = pairs[position] if position < len(pairs) else None
    if left is not None and number <= left[1]:
        return False
    joins_left, joins_right = left is not None and left[1] == number - 1, right is not None and right[0] == number + 1
    if left is not None and right is not None and joins_left and joins_right:
        left[1] = right[1]
        del pairs[position]
    elif left is not None and joins_left:
        left[1] = number
    elif right is not None and joins_right:
        right[0] = number
    else:
        pairs.insert(position, [number, number])
    return True
