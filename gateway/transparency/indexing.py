"""Gives committed rows their indices in the log of an area, in one transaction per call. Called by the sequencer.

The order of a call is that of the causes. Keys of nodes, rules and calibrations come first, then the batches, with each
state of the detector directly before the first batch that it has not seen. Events, deliveries and removals come last.
So a state is in the log before the events that the detector makes from it, however soon they follow.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from msgspec import structs

from alerting.log import get_logger
from gateway.store.public_log import QUERIES, AddedBatches, LogState, LogStore
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
from gateway.transparency.state_leaves import StatePlace, StateRow, describe_state, hash_state

_LOG = get_logger("gateway.transparency")
_MAX_SOURCES = 1_000  # rows of log_source of each group per transaction
CAUSES = ("node-key", "calibration")  # kinds of rows whose leaves precede those of the batches
EFFECTS = ("event", "delivery", "removed")


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
            state = structs.replace(state, size=state.size + self._add_leaves(state.size, self._plan_rules()))
            state, has_more = self._add_sources(state, CAUSES)
            # the key of a node has a lower index than its batches, so batches wait for all keys
            state, batches, is_full = self._add_batches(state, 0 if has_more else self._max_batches)
            if not is_full:
                state, has_more = self._add_sources(state, EFFECTS)
            self._store.execute(
                "update_state",
                size=state.size,
                batches_until=min(settled, batches.last) if is_full else settled,
                last_batch=batches.last,
                delivery_count=state.delivery_count,
                delivery_head=state.delivery_head,
            )
        return is_full or has_more

    def _add_sources(self, state: LogState, kinds: Sequence[str]) -> tuple[LogState, bool]:
        """Give indices to queued rows of these kinds; return the state, and whether more rows may wait."""
        values = {"kinds": list(kinds), "limit": _MAX_SOURCES}
        rows = self._store.fetch(SourceRow, QUERIES["select_sources"], values)
        leaves, record = plan_leaves(rows, DeliveryRecord(count=state.delivery_count, head=state.delivery_head))
        added = self._add_leaves(state.size, leaves)
        if rows:
            self._store.execute("delete_sources", ids=[row.id for row in rows])
        state = structs.replace(state, size=state.size + added, delivery_count=record.count, delivery_head=record.head)
        return state, len(rows) == _MAX_SOURCES

    def _plan_rules(self) -> list[NewLeaf]:
        rules = list_rules(self._store)
        logged = self._store.find_logged([rule.source for rule in rules])
        return [rule for rule in rules if rule.source not in logged]

    def _add_batches(self, state: LogState, limit: int) -> tuple[LogState, AddedBatches, bool]:
        """Give indices to at most `limit` batches, and to each state directly before its first batch.

        Return the state of the log, the batches together, and whether the limit was reached.
        """
        count, last = 0, 0
        for first_batch, places in self._select_states(state):
            added = self._store.add_batches(state, limit - count, before=first_batch)
            count, last = count + added.count, max(last, added.last)
            state = structs.replace(state, size=state.size + added.count)
            if count == limit:
                break
            leaves = list(self._plan_states(places, state.size))
            state = structs.replace(state, size=state.size + self._add_leaves(state.size, leaves))
        added = self._store.add_batches(state, limit - count)
        count, last = count + added.count, max(last, added.last)
        state = structs.replace(state, size=state.size + added.count)
        return state, AddedBatches(count=count, last=last), count == limit

    def _select_states(self, state: LogState) -> list[tuple[int, list[StatePlace]]]:
        """States without a leaf by the id of their first batch, which has none either."""
        places = self._store.fetch(StatePlace, QUERIES["select_states"], {"last_batch": state.last_batch})
        return [(first_batch, list(group)) for first_batch, group in groupby(places, lambda place: place.first_batch)]

    def _plan_states(self, places: Sequence[StatePlace], size: int) -> Iterator[NewLeaf]:
        """Leaves of states before the same batch, which follows them."""
        contents = list(self._hash_states(places))
        for detector, content in contents:
            yield describe_state(detector, size + len(contents), content)

    def _hash_states(self, places: Sequence[StatePlace]) -> Iterator[tuple[str, str]]:
        """(detector, hash of the document) of each state that this version can read; one is in memory at a time."""
        for place in places:
            for row in self._store.fetch(StateRow, QUERIES["select_saved_state"], {"id": place.id}):
                try:
                    yield row.detector, hash_state(row, self._store.area)
                except ValueError as error:
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
