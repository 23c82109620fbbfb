"""The sequencer of the public log: gives what is committed an index in the public log of an area, and signs its heads.

One `LogSequencer` works for one area; `gateway.service.log_worker` calls `run_step` in the interval of `[public_log]`.
A step has this order, and the process may die after any part of it:

1. The state is compared: the database must not be behind the file with the last signed head.
2. One transaction gives indices without gaps to what has no leaf yet, with an upper bound.
3. The tiles of these leaves are written: the full ones, and the partial ones of the new size.
4. The root is computed from the files. The tree must continue the head in the file and the head in the database.
5. The head is signed and written to the file outside the database.
6. The head is recorded in the database.
7. Witnesses cosign the head, and the checkpoint is published.

Indices are final once part 2 is committed. The leaves follow from the database alone, so parts 3 to 7 give the same
bytes however often they are repeated. Nobody has seen a head that is not in the file, because part 5 precedes part 7.
So a log whose process died continues. A database that lost leaves is noticed in part 1, before their indices go to
other leaves.

Two processes never work at once: the connection holds an advisory lock. If they have different files, part 4 compares
the head of both places.

A step raises LogRefusedError if signing would shrink or fork the log, ProofError for files that do not fit, OSError if
a disk fails, and psycopg.Error if the database fails. It can be repeated after each of them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from enum import StrEnum
from functools import partial
from typing import TypeVar

from msgspec import Struct

from alerting.log import get_logger
from edge_agent.signing import Signer
from gateway.store.public_log import LogState, LogStore
from gateway.transparency.checkpoint import Checkpoint, open_checkpoint
from gateway.transparency.errors import ProofError
from gateway.transparency.head import LogRefusedError, SignedHead, check_continuation, check_database
from gateway.transparency.indexing import LeafIndexer
from gateway.transparency.log_folder import LogFolder
from gateway.transparency.merkle import ReadHash, compute_root
from gateway.transparency.tile_builder import TileBuilder, TileContent
from gateway.transparency.tiles import WIDTH, hash_reader, iterate_tiles

Cosign = Callable[[bytes, ReadHash], Awaitable[bytes]]
"""(signed note, reader of the log's hashes) -> the note with the cosignatures that came in time."""

_LOG = get_logger("gateway.transparency")
T = TypeVar("T")
_MAX_BATCHES = 20_000  # that get an index in one step
_PAGE = 10 * WIDTH  # entries in memory


class StepPart(StrEnum):
    """Part of a step that is finished and durable."""

    ASSIGNED = "assigned"
    TILE_WRITTEN = "tile_written"
    STATE_WRITTEN = "state_written"
    RECORDED = "recorded"
    COSIGNED = "cosigned"
    PUBLISHED = "published"


class StepResult(Struct, frozen=True, kw_only=True):
    """Number of leaves in the published head and in the one before, and whether more leaves wait for an index."""

    size: int
    former_size: int
    has_more: bool


class LogSequencer:
    """Sequences the log of one area."""

    def __init__(
        self,
        store: LogStore,
        folder: LogFolder,
        signer: Signer,
        *,
        cosign: Cosign | None = None,
        max_batches: int = _MAX_BATCHES,
        report: Callable[[StepPart], None] = lambda _: None,
    ) -> None:
        """`signer`: key of the log; its name is the origin. `report` is called after every part of a step."""
        self._store, self._folder, self._signer = store, folder, signer
        self._cosign, self._report = cosign, report
        self._indexer = LeafIndexer(store, max_batches)

    async def run_step(self) -> StepResult:
        """Run one step."""
        result, note = await _run_to_end(self._sign_next)
        if self._cosign is not None:
            note = await self._cosign(note, hash_reader(result.size, self._folder.read_tile))
            self._report(StepPart.COSIGNED)
        await _run_to_end(partial(self._publish, note, result))
        return result

    def close(self) -> None:
        """Close the connection and give up the lock of the area."""
        self._store.close()

    def _sign_next(self) -> tuple[StepResult, bytes]:
        state, database = self._read_state(), self._store.load_state()
        recorded = _recorded_head(database)
        check_database(self._store.area, database.size, recorded, state)
        has_more = self._indexer.assign()
        self._report(StepPart.ASSIGNED)
        size, former_size = self._store.load_state().size, 0 if state is None else state.size
        root = self._extend_tree(former_size, size, (state, recorded))
        head = SignedHead(size=size, root=root)
        note = Checkpoint(origin=self._signer.name, size=size, root=root).sign(self._signer)
        if head != state:
            if self._read_state() != state:
                raise LogRefusedError(f"another process signs heads of the log of {self._store.area}: stop one of them")
            self._folder.write_state(note)
            self._report(StepPart.STATE_WRITTEN)
        self._store.execute("record_head", size=size, root=root)
        self._report(StepPart.RECORDED)
        return StepResult(size=size, former_size=former_size, has_more=has_more), note

    def _read_state(self) -> SignedHead | None:
        note = self._folder.read_state()
        if note is None:
            return None
        checkpoint = open_checkpoint(note, self._signer.verifier)
        return SignedHead(size=checkpoint.size, root=checkpoint.root)

    def _extend_tree(self, former_size: int, size: int, heads: tuple[SignedHead | None, ...]) -> bytes:
        """Write the tiles up to `size` and return the root, which continues these heads."""
        try:
            self._write_tiles(former_size - former_size % WIDTH, former_size, size)
            return self._compute_root(size, heads)
        except ProofError as error:
            _LOG.warning("tiles are written again from the database", area=self._store.area, error=str(error))
        self._write_tiles(0, 0, size)
        return self._compute_root(size, heads)

    def _compute_root(self, size: int, heads: tuple[SignedHead | None, ...]) -> bytes:
        read_hash = hash_reader(size, self._folder.read_tile)
        check_continuation(self._store.area, heads, read_hash)
        return compute_root(size, read_hash)

    def _write_tiles(self, start: int, former_size: int, size: int) -> None:
        """Write the tiles of the leaves from `start` on; nothing if the log has not grown."""
        if size == former_size:
            return
        builder = TileBuilder(start, self._folder.read_tile)
        for first in range(start, size, _PAGE):
            entries = self._read_entries(first, min(first + _PAGE, size))
            for offset in range(0, len(entries), WIDTH):
                self._write_all(builder.add(entries[offset : offset + WIDTH]))
        self._write_all(builder.finish())
        self._folder.sync_tiles()

    def _write_all(self, tiles: Iterable[TileContent]) -> None:
        for item in tiles:
            self._folder.write_tile(item.tile, item.content)
            self._report(StepPart.TILE_WRITTEN)

    def _read_entries(self, first: int, end: int) -> list[bytes]:
        """Entries of these leaves. Raises LogRefusedError if the database does not have all of them."""
        entries = []
        for expected, (number, entry) in enumerate(self._store.read_entries(first, end), first):
            if number != expected or entry is None:
                break
            entries.append(entry)
        if len(entries) < end - first:
            raise LogRefusedError(
                f"the database does not have leaf {first + len(entries)} of the log of {self._store.area}: "
                "a row was removed; restore the database"
            )
        return entries

    def _publish(self, note: bytes, result: StepResult) -> None:
        if self._folder.read_checkpoint() != note:
            self._folder.write_checkpoint(note)
        self._report(StepPart.PUBLISHED)
        grown = iterate_tiles(result.former_size, result.size)
        self._folder.remove_partial_tiles(tile for tile in grown if tile.width == WIDTH)


async def _run_to_end(work: Callable[[], T]) -> T:
    """Run `work` in a thread. If this task is cancelled, it still waits: the lock of the area covers the work."""
    running = asyncio.create_task(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


def _recorded_head(state: LogState) -> SignedHead | None:
    return None if state.signed_root is None else SignedHead(size=state.signed_size, root=state.signed_root)
