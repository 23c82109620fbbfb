"""Recovery of a log whose database was restored from an older backup. Called by `piekwacht log recover`.

The database has fewer leaves than were signed. The published log has them all: its bundles of entries are read, and
the leaves that the database lacks are stored in it, under the indices that they have. The log then continues without
a fork.

Nothing is believed that the log has not signed. Every entry is hashed, and the tree must have the root of every signed
head that is known. The entries that the database has must be the first ones of the published log, byte for byte. All
of it is one transaction: it is rolled back if anything does not fit.

A leaf of a batch that is not stored is recorded in `log_recovered_batch`. If its node delivers the batch again, it has
that leaf.
"""

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from msgspec import Struct

from edge_agent.wire import Verifier
from gateway.store.public_log import QUERIES, LogStore
from gateway.transparency.checkpoint import Checkpoint, open_checkpoint
from gateway.transparency.errors import ProofError
from gateway.transparency.head import LogRefusedError
from gateway.transparency.indexing import CAUSES, EFFECTS, list_rules
from gateway.transparency.known_leaves import KnownLeaves
from gateway.transparency.leaf import Leaf, LeafKind
from gateway.transparency.log_folder import LogFolder
from gateway.transparency.merkle import TreeHasher, hash_leaf
from gateway.transparency.sources import DeliveryRecord, NewLeaf, SourceRow
from gateway.transparency.state_leaves import name_state
from gateway.transparency.tiles import WIDTH, ReadTile, Tile, decode_entries, tile_width


class LostBatch(Struct, frozen=True, kw_only=True):
    """A batch that is in the log and not in the database."""

    node: str
    incarnation: str
    number: int


class Recovery(Struct, frozen=True, kw_only=True):
    """Number of leaves before and after; batches without a row, and other leaves of which only the hash is left."""

    former_size: int
    size: int
    lost_batches: Sequence[LostBatch]
    lost_leaves: Sequence[Leaf]


class SignedNote(NamedTuple):
    """A signed head as it was written, and what it states."""

    note: bytes
    checkpoint: Checkpoint


def choose_head(folder: LogFolder, verifier: Verifier, copy: bytes | None) -> tuple[SignedNote, list[Checkpoint]]:
    """Return the largest signed head, and all of them. `copy`: the checkpoint of the copy that is read, if any.

    Raises LogRefusedError without the file with the last head, ProofError for a head that this log has not signed.
    """
    state = folder.read_state()
    if state is None:
        raise LogRefusedError(
            f"the file with the last head of {verifier.name} is missing: put it back, or the newest checkpoint that was"
            " published, before the log is recovered"
        )
    notes = [note for note in (state, folder.read_checkpoint(), copy) if note is not None]
    heads = [SignedNote(note, open_checkpoint(note, verifier)) for note in notes]
    return max(heads, key=lambda head: head.checkpoint.size), [head.checkpoint for head in heads]


def recover_log(
    store: LogStore, folder: LogFolder, verifier: Verifier, read_tile: ReadTile, copy: bytes | None = None
) -> Recovery:
    """Store the leaves that the database lacks.

    Raises LogRefusedError if there are none, or the database is of another log. Raises ProofError if the published log
    does not fit its signed heads, LockHeldError while the sequencer works, psycopg.Error, and OSError.
    """
    newest, heads = choose_head(folder, verifier, copy)
    with store.transaction():
        recoverer = _Recoverer(store, newest.checkpoint.size, heads)
        recovery = recoverer.run(read_tile)
    if newest.note != folder.read_state():
        folder.write_state(newest.note)
    return recovery


class _Recoverer:
    """Reads the published log once, from its first entry to its last."""

    def __init__(self, store: LogStore, size: int, heads: Sequence[Checkpoint]) -> None:
        self._store, self._size, self._heads = store, size, heads
        self._state = store.load_state(lock=True)
        self._hasher = TreeHasher()
        deliveries = DeliveryRecord(count=self._state.delivery_count, head=self._state.delivery_head)
        rows = store.fetch(SourceRow, QUERIES["select_sources"], {"kinds": [*CAUSES, *EFFECTS], "limit": None})
        self._known = KnownLeaves(list_rules(store), rows, deliveries)
        self._lost_batches: list[LostBatch] = []
        self._lost_leaves: list[Leaf] = []

    def run(self, read_tile: ReadTile) -> Recovery:
        former_size = self._state.size
        if former_size >= self._size:
            raise LogRefusedError(
                f"the database has {former_size} leaves of the log of {self._store.area}, and {self._size} are signed: "
                "nothing is missing"
            )
        for index in range(-(-self._size // WIDTH)):
            self._take_bundle(index * WIDTH, _read_bundle(index, self._size, read_tile))
        self._store.execute(
            "record_recovery",
            size=self._size,
            delivery_count=self._known.deliveries.count,
            delivery_head=self._known.deliveries.head,
        )
        return Recovery(
            former_size=former_size,
            size=self._size,
            lost_batches=self._lost_batches,
            lost_leaves=self._lost_leaves,
        )

    def _take_bundle(self, first: int, entries: Sequence[bytes]) -> None:
        self._hash(entries)
        known_count = min(len(entries), max(0, self._state.size - first))
        stored = dict(self._store.read_entries(first, first + known_count)) if known_count else {}
        for number, entry in enumerate(entries[:known_count], first):
            if stored.get(number) != entry:
                raise LogRefusedError(
                    f"leaf {number} of the database is not that of the published log of {self._store.area}: the"
                    " database was changed, or is of another log"
                )
        self._add_leaves([(first + i, Leaf.parse(entries[i])) for i in range(known_count, len(entries))])

    def _hash(self, entries: Sequence[bytes]) -> None:
        """Raise ProofError unless the tree has the root of every signed head."""
        for entry in entries:
            self._hasher.add(hash_leaf(entry))
            for head in self._heads:
                if head.size == self._hasher.size and head.root != self._hasher.compute_root():
                    raise ProofError(
                        f"the first {head.size} entries are not those of the head of {head.size} leaves that "
                        f"{head.origin} has signed: use an unchanged copy of the log"
                    )

    def _add_leaves(self, leaves: Sequence[tuple[int, Leaf]]) -> None:
        batches = [(number, leaf) for number, leaf in leaves if leaf.kind is LeafKind.BATCH]
        if batches:
            self._add_batches(batches)
        for number, leaf in leaves:
            if leaf.kind is not LeafKind.BATCH:
                self._add_leaf(number, leaf)

    def _add_batches(self, batches: Sequence[tuple[int, Leaf]]) -> None:
        nodes, incarnations, sequences = zip(*(leaf.fields for _, leaf in batches), strict=True)
        values = {
            "numbers": [number for number, _ in batches],
            "nodes": list(nodes),
            "incarnations": list(incarnations),
            "sequences": list(map(int, sequences)),
            "hashes": [base64.b64decode(leaf.content) for _, leaf in batches],
            "entries": [leaf.encode().decode() for _, leaf in batches],
        }
        self._lost_batches += self._store.fetch(LostBatch, QUERIES["insert_recovered_batches"], values)

    def _add_leaf(self, number: int, leaf: Leaf) -> None:
        known_leaf = self._known.find(leaf)
        if known_leaf is not None:
            self._store_leaf(number, known_leaf.new)
            self._store.execute("delete_sources", ids=list(known_leaf.row_ids))
        elif leaf.kind is LeafKind.NODE_KEY:
            self._store_leaf(number, NewLeaf(source=self._add_node_key(leaf), leaf=leaf))
        elif leaf.kind is LeafKind.DETECTOR_STATE:
            self._store_leaf(number, NewLeaf(source=name_state(leaf.fields[0], int(leaf.fields[1])), leaf=leaf))
        else:
            self._store_leaf(number, NewLeaf(source=f"recovered {number}", leaf=leaf))
            self._lost_leaves.append(leaf)

    def _store_leaf(self, number: int, new: NewLeaf) -> None:
        self._store.add_leaf(number, new.source, new.leaf.encode().decode(), new.document)

    def _add_node_key(self, leaf: Leaf) -> str:
        """Store the statement of the leaf, so that proofs of the node's batches find it; return its source."""
        node, station, since, until = leaf.fields
        key_id = self._store.fetch_scalar(
            "insert_node_key",
            node=node,
            station=station,
            key=leaf.content,
            since=datetime.fromisoformat(since),
            until=None if until == "-" else datetime.fromisoformat(until),
        )
        self._store.execute("delete_queued_node_key", id=key_id)
        return f"node-key {node} {key_id}"


def _read_bundle(index: int, size: int, read_tile: ReadTile) -> Sequence[bytes]:
    width = tile_width(size, 0, index)
    entries = decode_entries(read_tile(Tile(level=None, index=index, width=width)))
    if len(entries) < width:
        raise ProofError(f"the bundle {index} of the published log has {len(entries)} entries, not {width}")
    return entries[:width]


def describe_batches(batches: Sequence[LostBatch]) -> list[str]:
    """Name batches by ranges of their numbers, such as `ijm-001 abcdefghijkl 17 to 19`."""
    numbers: dict[tuple[str, str], list[int]] = {}
    for batch in batches:
        numbers.setdefault((batch.node, batch.incarnation), []).append(batch.number)
    return [
        f"{node} {incarnation} {first}" + (f" to {last}" if last > first else "")
        for (node, incarnation), group in sorted(numbers.items())
        for first, last in _find_runs(sorted(group))
    ]


def _find_runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1] = runs[-1][0], number
        else:
            runs.append((number, number))
    return runs
