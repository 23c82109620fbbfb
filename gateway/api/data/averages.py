"""Means in pages, newest first, with what is long past kept a while in memory.

Where the database has no continuous aggregates a day of one-minute means is gathered from 86,400 readings. Periods
that ended some time ago seldom change, so they are read in blocks and each block is believed for a minute. Of what is
being measured now only the last minutes are read again, once a second. Each block is written as JSON once, for every
answer that it is part of. The house is bounded: blocks longest unused leave first.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from weakref import WeakValueDictionary

from fastapi import HTTPException
from msgspec import json

from gateway.api.data.database import Database
from gateway.api.schemas.observations import Mean, mean_from_row
from gateway.export.corrected import build_corrector
from gateway.export.selection import Averaging, Selection

_BLOCK_LENGTHS = {
    Averaging.MINUTE: timedelta(hours=1),
    Averaging.HOUR: timedelta(days=2),
    Averaging.DAY: timedelta(days=30),
}
_BUCKET_LENGTHS = {
    Averaging.MINUTE: timedelta(minutes=1),
    Averaging.HOUR: timedelta(hours=1),
    Averaging.DAY: timedelta(days=1),
}
_BLOCKS_PER_QUERY = 24  # blocks of one query
_SETTLING_TIME = timedelta(minutes=10)
_BLOCK_MAX_AGE = 60.0  # seconds; late data show after this at the latest
_RECENT_MAX_AGE = 1.0  # the same for what is being measured now: an answer is kept for two seconds anyway
_MAX_BLOCKS = 4_000  # blocks
_TIMEOUT = 10.0

BlockKey = tuple[Averaging, tuple[int, ...], datetime]
DatedMean = tuple[datetime, Mean]  # the bucket, and what is shown of it
MeanPosition = tuple[datetime, int]  # bucket and datastream: by these all means stand in order, newest first


class Block:
    """All means of a stretch of time, newest first; when they were read, and when all of them were at once."""

    def __init__(self, means: list[DatedMean], read_at: float, complete_at: float) -> None:
        self.means, self.read_at, self.complete_at = means, read_at, complete_at

    @cached_property
    def json_items(self) -> bytes:
        """As JSON, one after another with commas between."""
        return _encode_means(self.means)


class BlockSlice:
    """Those means of a block that belong to a page, at least one."""

    def __init__(self, block: Block, first: int, last: int) -> None:
        self._block, self._first, self._last = block, first, last

    @property
    def means(self) -> list[DatedMean]:
        """Newest first."""
        return self._block.means[self._first : self._last]

    def __len__(self) -> int:
        return max(0, self._last - self._first)

    def encode(self, max_count: int) -> bytes:
        """At most that many of them as JSON, one after another with commas between."""
        if len(self) == len(self._block.means) <= max_count:
            return self._block.json_items
        return _encode_means(self.means[:max_count])


class MeanCache:
    """Owned by one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._blocks: OrderedDict[BlockKey, Block] = OrderedDict()
        self._locks: WeakValueDictionary[tuple[int, ...], asyncio.Lock] = WeakValueDictionary()

    async def fetch_page(self, selection: Selection, before: MeanPosition | None, count: int) -> list[DatedMean]:
        """At most `count` means, newest first, before that bucket and datastream; 503 where it takes too long."""
        slices = await self.fetch_slices(selection, before, count)
        return [mean for block_slice in slices for mean in block_slice.means][:count]

    async def fetch_slices(self, selection: Selection, before: MeanPosition | None, count: int) -> list[BlockSlice]:
        """The same in the parts in which they are kept; the last may hold more than is wanted."""
        slices: list[BlockSlice] = []
        end = selection.end, -1
        upper, lower = end if before is None else min(end, before), (selection.start, -1)
        starts = _block_starts(
            selection.averaging, selection.start, upper[0] + timedelta(microseconds=before is not None)
        )
        try:
            async with asyncio.timeout(_TIMEOUT):
                for i in range(0, len(starts), _BLOCKS_PER_QUERY):
                    # one at a time for each datastream: what many ask is read once, the others find it known
                    async with self._locks.setdefault(tuple(selection.ids), asyncio.Lock()):
                        blocks = await self._load_blocks(selection, starts[i : i + _BLOCKS_PER_QUERY])
                    candidates = (
                        BlockSlice(block, _count_from(block.means, upper), _count_from(block.means, lower))
                        for block in blocks
                    )
                    slices += [block_slice for block_slice in candidates if len(block_slice)]
                    if sum(map(len, slices)) >= count:
                        break
        except TimeoutError:
            raise HTTPException(503, "that took too long; ask for a shorter period") from None
        return slices

    async def _load_blocks(self, selection: Selection, starts: Sequence[datetime]) -> list[Block]:
        """These blocks; what is not known of them is read in one question."""
        ids, now = tuple(selection.ids), datetime.now(UTC)
        keys: list[BlockKey] = [(selection.averaging, ids, start) for start in starts]
        read_since = {key: self._stale_since(key, now) for key in keys}
        stale = {key: since for key, since in read_since.items() if since is not None}
        cached = {key: self._blocks[key] for key in keys if key not in stale}
        blocks = {**cached, **(await self._query_blocks(selection, stale) if stale else {})}
        for key in keys:
            self._blocks[key] = blocks[key]
            self._blocks.move_to_end(key)
        while len(self._blocks) > _MAX_BLOCKS:
            self._blocks.popitem(last=False)
        return [blocks[key] for key in keys]

    def _stale_since(self, key: BlockKey, now: datetime) -> datetime | None:
        """Since when a block has to be read; None where it is known."""
        block, at, (averaging, _, begin) = self._blocks.get(key), time.monotonic(), key
        if block is None or at - block.complete_at > _BLOCK_MAX_AGE:
            return begin
        if begin + _BLOCK_LENGTHS[averaging] < now - _SETTLING_TIME or at - block.read_at <= _RECENT_MAX_AGE:
            return None
        return max(begin, _bucket_start(now - _SETTLING_TIME, _BUCKET_LENGTHS[averaging]))

    async def _query_blocks(self, selection: Selection, stale: dict[BlockKey, datetime]) -> dict[BlockKey, Block]:
        averaging, ids = selection.averaging, tuple(selection.ids)
        since, until = min(stale.values()), max(key[2] for key in stale) + _BLOCK_LENGTHS[averaging]
        read_at, previous = time.monotonic(), {key: self._blocks.get(key) for key in stale}
        rows, correct = await asyncio.gather(
            self._database.fetch_rows(f"select_means_{averaging}", {"ids": list(ids), "start": since, "end": until}),
            build_corrector(selection, since, until, self._database.fetch_rows),
        )
        new: dict[BlockKey, list[DatedMean]] = {key: [] for key in stale}
        for row in rows:
            key = averaging, ids, _bucket_start(row[1], _BLOCK_LENGTHS[averaging])
            if key in new and row[1] >= stale[key]:
                new[key].append((row[1], mean_from_row(row, correct(row[0], row[1], row[4], row[3]))))
        return {key: merge_block(means, read_at, key[2], stale[key], previous[key]) for key, means in new.items()}


def merge_block(
    means: list[DatedMean], read_at: float, begin: datetime, since: datetime, previous: Block | None
) -> Block:
    """A block of what was read, and of what was known from before that."""
    if previous is None or since == begin:
        return Block(means, read_at, read_at)
    return Block(means + previous.means[_count_from(previous.means, (since, -1)) :], read_at, previous.complete_at)


def _count_from(means: Sequence[DatedMean], bound: MeanPosition) -> int:
    """How many of these, newest first, stand at or after a place."""
    if not means or _position(means[0]) < bound:
        return 0
    if _position(means[-1]) >= bound:
        return len(means)
    return next(i for i, mean in enumerate(means) if _position(mean) < bound)


def _position(mean: DatedMean) -> MeanPosition:
    return mean[0], mean[1].datastream


def _encode_means(means: Sequence[DatedMean]) -> bytes:
    return json.encode([mean for _, mean in means])[1:-1]


def _bucket_start(at: datetime, width: timedelta) -> datetime:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return epoch + (at - epoch) // width * width


def _block_starts(averaging: Averaging, start: datetime, end: datetime) -> list[datetime]:
    """Beginnings of the blocks that hold the period, newest first."""
    width, starts = _BLOCK_LENGTHS[averaging], []
    block_start = _bucket_start(end - timedelta(microseconds=1), width)
    while block_start > start - width:
        starts.append(block_start)
        block_start -= width
    return starts
