"""Find nodes of which two run at once: two cards with the same keys. Called by the pipeline. Pure but for its memory.

Two signs: a number that holds other bytes, and two incarnations whose live readings overlap in time. A restart or a
new card begins an incarnation after the end of the one before, so that these do not overlap.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

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


class _Span(NamedTuple):
    """Live batches of one incarnation: boot, whether the clock was synchronised, first and last stamp (ms)."""

    boot: str
    synced: bool
    first: int
    last: int


class CopyDetector:
    """Remembers the times of the live readings of each incarnation; a restart begins without memory."""

    def __init__(self) -> None:
        self._spans: dict[str, dict[str, _Span]] = {}  # node -> incarnation -> span

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
            overlapping = [] if header.late else self._record(header)
            if overlapping:
                incarnations.setdefault(header.node, set()).update((header.inc, *overlapping))
        return [
            CopySighting(node=node, incarnations=tuple(sorted(names)), conflicts=conflicts.get(node, 0))
            for node, names in incarnations.items()
        ]

    def _record(self, header: BatchHeader) -> list[str]:
        """Remember a live batch; return the other incarnations whose live batches overlap with it."""
        spans = self._spans.setdefault(header.node, {})
        at, synced = header.earliest_ms, header.clock is ClockState.SYNCED
        previous = spans.pop(header.inc, None)
        if previous is None or (previous.boot, previous.synced) != (header.boot, synced):
            previous = _Span(header.boot, synced, at, at)  # stamps of another clock cannot be compared
        span = _Span(header.boot, synced, min(previous.first, at), max(previous.last, at))
        overlapping = [name for name, other in spans.items() if _grows_concurrent(previous, span, other)]
        spans[header.inc] = span  # the last in the order: the oldest is forgotten first
        if len(spans) > _MAX_INCARNATIONS:
            del spans[next(iter(spans))]
        return overlapping


def _grows_concurrent(previous: _Span, span: _Span, other: _Span) -> bool:
    """Whether this batch shows that both still send: two spans overlap by one clock, or by two synchronised ones.

    An overlap that no longer grows is of a copy that stopped.
    """
    overlap = _overlap_ms(span, other)
    if overlap <= _overlap_ms(previous, other):
        return False
    if span.boot == other.boot:
        return overlap > 0
    return span.synced and other.synced and overlap > _MIN_OVERLAP_MS


def _overlap_ms(span: _Span, other: _Span) -> int:
    return min(span.last, other.last) - max(span.first, other.first)
