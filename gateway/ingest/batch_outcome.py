"""Outcome of one micro-batch of new readings: everything that needs no database. Pure.

`speculation.py` computes it before the ledger has answered, under the assumption that every batch is new; the
transaction in `pipeline.py` computes it again if that was wrong (docs/adr/0008).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from gateway.decoding.decode import BatchHeader
from gateway.detection.analyzer import Analyzer, AnalyzerState, NodeStates
from gateway.live.latest import select_latest
from gateway.live.message import LiveObservation
from gateway.model.event import Event
from gateway.model.observation import ObservationBatch
from gateway.model.registry import Registry
from gateway.store.copy_batches import BatchRows
from gateway.store.copy_observations import CopyRecords, prepare_records


class StateVersion(NamedTuple):
    """Identifies one analyzer state in this process.

    registry_version  the database's count of the operators' changes
    sequence          raised with every new state, so that no two states share a version
    """

    registry_version: int
    sequence: int


@dataclass(frozen=True, kw_only=True)
class VersionedState:
    """An analyzer state with its version."""

    version: StateVersion
    analyzer_state: AnalyzerState

    @property
    def registry(self) -> Registry:
        """Registry of the state."""
        return self.analyzer_state.registry


@dataclass(frozen=True, kw_only=True)
class BatchOutcome:
    """Result of flags and detection on one micro-batch, encoded for the database and for viewers.

    version_before     version of the analyzer state that the computation started from
    records            the rows, encoded for COPY
    batch_rows         the signed batches, encoded for COPY
    node_states        new states of the nodes that sent a batch
    live_observations  latest values for viewers; None: the transaction probably defers them
    """

    version_before: StateVersion
    state_after: AnalyzerState
    rows: ObservationBatch
    events: Sequence[Event]
    records: Sequence[CopyRecords]
    batch_rows: BatchRows
    node_states: NodeStates
    live_observations: Sequence[LiveObservation] | None

    @classmethod
    def compute(
        cls,
        analyzer: Analyzer,
        before: VersionedState,
        headers: Sequence[BatchHeader],
        rows: ObservationBatch,
        *,
        with_live: bool = True,
    ) -> Self:
        """Flag, detect and encode. `rows.batch` indexes `headers`; slots are those of the registry of `before`."""
        registry = before.registry
        state_after, rows, events = analyzer.analyze(before.analyzer_state, rows)
        return cls(
            version_before=before.version,
            state_after=state_after,
            rows=rows,
            events=events,
            records=prepare_records(rows, registry),
            batch_rows=BatchRows.from_headers(headers),
            node_states=analyzer.dump_nodes(state_after, rows.datastream),
            live_observations=select_latest(rows, registry) if with_live else None,
        )
