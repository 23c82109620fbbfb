"""Find nodes of which two run at once: two cards with the same keys. Called by the pipeline. Pure but for its memory.

Two signs: a number that holds other bytes, and two incarnations whose live readings overlap in time. A restart or a
new card begins an incarnation after the end of the one before, so that these do not overlap.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from edge_agent.wire import ClockState
from gateway.decoding.decode import BatchHeader, RejectedPayload

_MIN_OVERLAP_MS = 10_000  # synchronised clocks agree better than this
_MAX_INCARNATIONS = 4  # remembered per node


@dataclass(frozen=True, kw_only=True)
class CopySighting:
    """Two cards of `node` sent at once. `conflicts`: batches of this transaction whose number held other bytes."""

    node: str
    incarnations: tuple[str, ...]
    conflicts: int


class CopyDetector:
    """Remembers the times of the live readings of each incarnation; a restart begins without memory."""

    def __init__(self) -> None:
        self._spans: dict[str, dict[str, tuple[int, int]]] = {}  # node -> incarnation -> first and last, ms

    def find_copies(self, new: Iterable[BatchHeader], conflicting: Iterable[RejectedPayload]) -> list[CopySighting]:
        """Return one sighting per node."""
        conflicts: dict[str, int] = {}
        incarnations: dict[str, set[str]] = {}
        for rejection in conflicting:
            if rejection.key is not None:
                node, incarnation, _ = rejection.key
                conflicts[node] = conflicts.get(node, 0) + 1
                incarnations.setdefault(node, set()).add(incarnation)
        for header in new:
            if header.clock is ClockState.SYNCED and not header.late:
                overlapping = self._record(header)
                if overlapping:
                    incarnations.setdefault(header.node, set()).update((header.inc, *overlapping))
        return [
            CopySighting(node=node, incarnations=tuple(sorted(names)), conflicts=conflicts.get(node, 0))
            for node, names in incarnations.items()
        ]

    def _record(self, header: BatchHeader) -> list[str]:
        """Remember a live batch; return the other incarnations that were at work before and after it began."""
        spans = self._spans.setdefault(header.node, {})
        first, last = spans.pop(header.inc, (header.earliest_ms, header.earliest_ms))
        span = min(first, header.earliest_ms), max(last, header.earliest_ms)
        overlapping = [
            name for name, other in spans.items() if min(span[1], other[1]) - max(span[0], other[0]) > _MIN_OVERLAP_MS
        ]
        spans[header.inc] = span  # the last in the order: the oldest is forgotten first
        if len(spans) > _MAX_INCARNATIONS:
            del spans[next(iter(spans))]
        return overlapping
