"""What follows from payloads if all of them are new, worked out while the transaction before theirs still runs. Pure.

Only the database can say whether they are new. Where it says otherwise, or the memory that was
reckoned from is not the one that was committed, the outcome is dropped and worked out again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from gateway.decoding.decode import Heading
from gateway.detection.analyzer import Memory, NodeStates, Senses
from gateway.live.latest import newest
from gateway.live.message import LiveObservation
from gateway.model.event import Event
from gateway.model.observation import ObservationBatch
from gateway.model.registry import Registry
from gateway.store.copy_batches import Evidence
from gateway.store.copy_observations import Run, prepare


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one micro-batch of new readings leads to: all that needs no database."""

    before: Memory
    after: Memory
    rows: ObservationBatch
    events: Sequence[Event]
    records: Sequence[Run]  # the rows, ready to be written
    evidence: Evidence  # and what they were signed in
    kept: Sequence[NodeStates]  # of each node that told something
    news: Sequence[LiveObservation]  # to viewers

    @classmethod
    def of(cls, senses: Senses, before: Memory, headings: Sequence[Heading], rows: ObservationBatch) -> Self:
        """Flags, detection, and what is kept of them; `rows.batch` counts the headings, by the registry of `before`."""
        after, rows, events = senses.examine(before, rows)
        return cls(
            before=before,
            after=after,
            rows=rows,
            events=events,
            records=prepare(rows, before.registry),
            evidence=Evidence.of(headings),
            kept=senses.states_of(after, _nodes(rows, before.registry)),
            news=newest(rows, before.registry),
        )


def _nodes(rows: ObservationBatch, registry: Registry) -> list[str]:
    touched = np.flatnonzero(np.bincount(rows.datastream)).tolist()
    return list(dict.fromkeys(registry.datastreams[slot].node for slot in touched))
