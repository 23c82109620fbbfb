"""Gives committed rows their indices in the log of an area, in one transaction per call. Called by the sequencer."""

from collections.abc import Iterable, Iterator

from msgspec import structs

from alerting.log import get_logger
from gateway.store.public_log import QUERIES, LogState, LogStore
from gateway.transparency.settled_batches import SettledBatches
from gateway.transparency.sources import (
    DeliveryRecord,
    DetectorRow,
    NewLeaf,
    RangeRow,
    SourceRow,
    describe_detector,
    describe_rules,
    plan_leaves,
)
from gateway.transparency.state_leaves import StateRow, describe_state

_LOG = get_logger("gateway.transparency")
_MAX_SOURCES = 1_000  # rows of log_source per transaction


class LeafIndexer:
    """Indexes the leaves of one area; `max_batches` per call bound the time of the transaction."""

    def __init__(self, store: LogStore, max_batches: int) -> None:
        self._store, self._max_batches = store, max_batches
        self._settled = SettledBatches()

    def assign(self) -> bool:
        """Give the next indices to all that has none, up to the bounds. Return whether more may wait.

        Raises psycopg.Error; then nothing has changed.
        """
        settled = self._settled.observe(*self._store.read_open_numbers())
        with self._store.transaction():
            state = self._store.load_state(lock=True)
            state, has_more_sources = self._add_sources(state)
            # the key of a node has a lower index than its batches, so batches wait for all sources
            limit = 0 if has_more_sources else self._max_batches
            batches = self._store.add_batches(state, limit)
            is_full = batches.count == limit
            self._store.execute(
                "update_state",
                size=state.size + batches.count,
                batches_until=min(settled, batches.last) if is_full else settled,
                delivery_count=state.delivery_count,
                delivery_head=state.delivery_head,
            )
        return is_full

    def _add_sources(self, state: LogState) -> tuple[LogState, bool]:
        rows = self._store.fetch(SourceRow, QUERIES["select_sources"], {"limit": _MAX_SOURCES})
        leaves, record = plan_leaves(rows, DeliveryRecord(count=state.delivery_count, head=state.delivery_head))
        added = self._add_leaves(state.size, (*self._plan_rules(), *self._plan_states(), *leaves))
        if rows:
            self._store.execute("delete_sources", ids=[row.id for row in rows])
        state = structs.replace(state, size=state.size + added, delivery_count=record.count, delivery_head=record.head)
        return state, len(rows) == _MAX_SOURCES

    def _plan_rules(self) -> list[NewLeaf]:
        rules = list_rules(self._store)
        logged = self._store.find_logged([rule.source for rule in rules])
        return [rule for rule in rules if rule.source not in logged]

    def _plan_states(self) -> Iterator[NewLeaf]:
        """States of the detector whose next batch has a leaf; one that is older than an hour would prove nothing."""
        for row in self._store.fetch(StateRow, QUERIES["select_states"]):
            try:
                yield describe_state(row, self._store.area)
            except ValueError as error:  # of a version of the detector with other records
                _LOG.warning("state of the detector has no leaf", area=self._store.area, error=str(error))

    def _add_leaves(self, size: int, leaves: Iterable[NewLeaf]) -> int:
        """Store these leaves from index `size` on; return how many they are."""
        added = 0
        for new in leaves:
            self._store.add_leaf(size + added, new.source, new.leaf.encode().decode(), new.document)
            added += 1
        return added


def list_rules(store: LogStore) -> list[NewLeaf]:
    """Leaves of the rules of this version, and of the detectors that ran here and have no leaf in this log."""
    rules = describe_rules(store.fetch(RangeRow, QUERIES["select_ranges"]))
    detectors = store.fetch(DetectorRow, QUERIES["select_detectors"])
    return [*rules, *map(describe_detector, detectors)]
