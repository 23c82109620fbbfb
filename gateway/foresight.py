"""What follows from payloads if all of them are new, worked out while the transaction before theirs still runs. Pure.

Only the database can say whether they are new. Where it says otherwise, or the memory that was
reckoned from is not the one that was committed, the outcome is dropped and worked out again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from gateway.event import Event
from gateway.live import LiveObservation
from gateway.newest import newest
from gateway.observation import ObservationBatch
from gateway.registry import Registry
from gateway.senses import Memory, Senses


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one micro-batch of new readings leads to: all that needs no database. States are by slot."""

    before: Memory
    after: Memory
    rows: ObservationBatch
    events: Sequence[Event]
    quality: Mapping[int, bytes]
    detection: Mapping[int, bytes]
    news: Sequence[LiveObservation]  # to viewers

    @classmethod
    def of(cls, senses: Senses, before: Memory, rows: ObservationBatch) -> Self:
        """Flags, detection, and what is kept of them; the rows are by the registry of `before`."""
        after, rows, events = senses.examine(before, rows)
        kept = _kept(rows, before.registry)
        return cls(
            before=before,
            after=after,
            rows=rows,
            events=events,
            quality=dict(zip(kept, senses.flagger.dump(after.quality, kept), strict=True)),
            detection=dict(zip(kept, senses.detector.dump(after.detection, kept), strict=True)),
            news=newest(rows, before.registry),
        )


def _kept(rows: ObservationBatch, registry: Registry) -> list[int]:
    """The slots whose states are stored: all of each node that told something, for a row is a node."""
    touched = np.flatnonzero(np.bincount(rows.datastream)).tolist()
    nodes = dict.fromkeys(registry.datastreams[slot].node for slot in touched)
    return [slot for node in nodes for slot in registry.slots_of[node]]
