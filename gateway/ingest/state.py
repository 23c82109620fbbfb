"""State of one gateway's ingest in memory: analyzer state, registry and clock anchors.

The pipeline's transaction and the quarantine replay bring it up to date (`refresh`, `create_datastreams`) and replace
it after COMMIT; speculation reads it. The database methods raise psycopg.Error and then change nothing here.
"""

from collections.abc import Mapping
from itertools import count

from gateway.decoding.decode import UnplacedValues
from gateway.detection.analyzer import Analyzer, AnalyzerState
from gateway.detection.handover import adopt_states
from gateway.ingest.batch_outcome import StateVersion, VersionedState
from gateway.model.registry import Node, Registry
from gateway.store import clock_offsets, stations
from gateway.store import events as event_store
from gateway.store.connection import Store, Transaction

_QUALITY_COMPONENT = "quality"


class IngestState:
    """State as of the last COMMIT, and the state that the running transaction will leave.

    * `current` equals the database's contents as long as the connection is the one of the last COMMIT: that
      connection holds our area locks. On a new connection `refresh` reads everything again.
    * `expected` is what the next micro-batch starts from. It differs from `current` only between `announce`
      and the end of that transaction.
    * A failed transaction changes neither: it can be run again.
    """

    def __init__(self, store: Store, analyzer: Analyzer) -> None:
        self._store, self._analyzer = store, analyzer
        self._sequence = count(1)
        self._current: VersionedState | None = None
        self._announced: VersionedState | None = None
        self._lock_connection: Transaction | None = None  # of the last COMMIT; it holds our area locks
        self.anchors: clock_offsets.Anchors = {}
        self.load_number = 0  # how often the states were read from the database

    @property
    def expected(self) -> VersionedState | None:
        """State from which the next micro-batch starts, as far as known; None before the first transaction."""
        return self._announced or self._current

    @property
    def registry(self) -> Registry | None:
        """Registry as of the last transaction; None before the first."""
        return self._current.registry if self._current else None

    @property
    def nodes(self) -> Mapping[str, Node]:
        """Every enrolled node, as of the last transaction."""
        return self._current.registry.nodes if self._current else {}

    async def refresh(self, tx: Transaction, registry_version: int) -> VersionedState:
        """Return the current state, with the registry read again if an operator changed it.

        At the start and on every new connection, load the state as last committed. The old connection may have broken
        during a COMMIT, so that its outcome is unknown, and another gateway may have written for our areas since.
        """
        if self._current is None or self._lock_connection is not tx:
            self.anchors = {}
            registry = await stations.load_registry(tx, areas=self._store.areas)
            quality = await event_store.load_states(tx, _QUALITY_COMPONENT, registry)
            stored = await event_store.load_detector_states(tx, registry)
            detection = adopt_states(self._analyzer.detector.name, stored)
            self.load_number += 1
            return self._add_version(self._analyzer.load(registry, quality, detection))
        if self._current.registry.version == registry_version:
            return self._current
        return await self._reload_registry(tx, self._current)

    async def create_datastreams(
        self, tx: Transaction, state: VersionedState, unplaced: UnplacedValues
    ) -> VersionedState:
        """Create the missing datastreams in the database; return the state that has them."""
        if not unplaced.missing_datastreams:
            return state
        await stations.create_datastreams(tx, unplaced.missing_datastreams)
        return await self._reload_registry(tx, state)

    def announce(self, state_after: AnalyzerState) -> None:
        """Set the state that the running transaction will leave; the next micro-batch is computed from it."""
        self._announced = self._add_version(state_after)

    def withdraw(self) -> None:
        """Forget the announced state at the end of a transaction, failed or not."""
        self._announced = None

    def commit(self, tx: Transaction, anchors: clock_offsets.Anchors) -> None:
        """Make the announced state the current one; only after COMMIT."""
        self._current, self.anchors, self._lock_connection = self._announced, anchors, tx

    def replace(self, state: VersionedState) -> None:
        """Take over a state that only has more datastreams: it holds even if the transaction fails."""
        self._current = state

    async def _reload_registry(self, tx: Transaction, state: VersionedState) -> VersionedState:
        """Return the same state with the registry read again; new datastreams start without history."""
        registry = await stations.load_registry(tx, state.registry, areas=self._store.areas)
        return self._add_version(self._analyzer.grow(state.analyzer_state, registry))

    def _add_version(self, state: AnalyzerState) -> VersionedState:
        return VersionedState(version=StateVersion(state.registry.version, next(self._sequence)), analyzer_state=state)
