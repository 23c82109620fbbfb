"""What follows from payloads if all of them are new, worked out while the transaction before theirs still runs. Pure.

Only the database can say whether they are new. Where it says otherwise, or the memory that was
reckoned from is not the one that was committed, the outcome is dropped and worked out again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from gateway.decoding.decode import BatchHeader
from gateway.detection.analyzer import Analyzer, AnalyzerState, NodeStates
from gateway.live.latest import select_latest
from gateway.live.message import LiveObservation
from gateway.model.event import Event
from gateway.model.observation import ObservationBatch
from gateway.model.registry import Registry
from gateway.store.copy_batches import BatchRows
from gateway.store.copy_observations import CopyRecords, prepare_records


@dataclass(frozen=True, kw_only=True)
class BatchOutcome:
    """What one micro-batch of new readings leads to: all that needs no database."""

    state_before: AnalyzerState
    state_after: AnalyzerState
    rows: ObservationBatch
    events: Sequence[Event]
    records: Sequence[CopyRecords]  # the rows, ready to be written
    batch_rows: BatchRows  # and what they were signed in
    node_states: Sequence[NodeStates]  # of each node that told something
    live_observations: Sequence[LiveObservation]  # to viewers

    @classmethod
    def compute(
        cls, analyzer: Analyzer, state_before: AnalyzerState, headers: Sequence[BatchHeader], rows: ObservationBatch
    ) -> Self:
        """Flags, detection, and what is kept of them; `rows.batch` counts the headings, by the registry of `before`."""
        state_after, rows, events = analyzer.analyze(state_before, rows)
        return cls(
            state_before=state_before,
            state_after=state_after,
            rows=rows,
            events=events,
            records=prepare_records(rows, state_before.registry),
            batch_rows=BatchRows.from_headers(headers),
            node_states=analyzer.dump_nodes(state_after, _find_nodes(rows, state_before.registry)),
            live_observations=select_latest(rows, state_before.registry),
        )


def _find_nodes(rows: ObservationBatch, registry: Registry) -> list[str]:
    slots = np.flatnonzero(np.bincount(rows.datastream)).tolist()
    return list(dict.fromkeys(registry.datastreams[slot].node for slot in slots))
