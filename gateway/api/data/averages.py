"""Cache of means over minutes, hours and days, in pages, newest first. Routes and pages read it.

Without continuous aggregates the database computes a day of one-minute means from 86,400 readings. Past periods seldom
change, so they are read in blocks, and a block stays valid for a minute. Of the current block only the last minutes
are read again, once a second. Each block is encoded as JSON once, for every response that contains it. The cache is
bounded: the least recently used blocks go first. If the database is away or a page takes more than 10 s, the caller
gets an HTTPException with status 503.
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
from gateway.export.selection import Averaging, MeanRow, Selection

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
_BLOCKS_PER_QUERY = 24
_SETTLING_TIME = timedelta(minutes=10)  # means change until so long after their period
_BLOCK_MAX_AGE = 60.0  # s; late data are visible after this at the latest
_RECENT_MAX_AGE = 1.0  # s, for the current block; responses are cached for 2 s anyway
_MAX_BLOCKS = 4_000
_TIMEOUT = 10.0  # s

BlockKey = tuple[Averaging, str, tuple[int, ...], datetime]  # time zone, datastreams, start
DatedMean = tuple[datetime, Mean]  # start of the bucket, and its document
MeanPosition = tuple[datetime, int]  # bucket and datastream, the sort key of all means


class Block:
    """The means of one period, newest first. `read_at`: last read in part; `complete_at`: last read as a whole."""

    def __init__(self, means: list[DatedMean], read_at: float, complete_at: float) -> None:
        self.means, self.read_at, self.complete_at = means, read_at, complete_at

    @cached_property
    def json_items(self) -> bytes:
        """The means as JSON, separated by commas."""
        return _encode_means(self.means)


class BlockSlice:
    """The means of a block that belong to a page, at least one."""

    def __init__(self, block: Block, first: int, last: int) -> None:
        self._block, self._first, self._last = block, first, last

    @property
    def means(self) -> list[DatedMean]:
        """The means, newest first."""
        return self._block.means[self._first : self._last]

    def __len__(self) -> int:
        return max(0, self._last - self._first)

    def encode(self, max_count: int) -> bytes:
        """At most `max_count` means as JSON, separated by commas."""
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
        """At most `count` means, newest first, before that bucket and datastream."""
        slices = await self.fetch_slices(selection, before, count)
        return [mean for block_slice in slices for mean in block_slice.means][:count]

    async def fetch_slices(self, selection: Selection, before: MeanPosition | None, count: int) -> list[BlockSlice]:
        """The same as slices of blocks; the last slice may exceed `count`."""
        slices: list[BlockSlice] = []
        end = selection.end, -1
        upper, lower = end if before is None else min(end, before), (selection.start, -1)
        starts = _block_starts(
            selection.averaging, selection.start, upper[0] + timedelta(microseconds=before is not None)
        )
        try:
            async with asyncio.timeout(_TIMEOUT):
                for i in range(0, len(starts), _BLOCKS_PER_QUERY):
                    # one query at a time per datastreams: concurrent requests find the blocks in the cache
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
        """The blocks of these starts; the stale ones are read in one query."""
        ids, now = tuple(selection.ids), datetime.now(UTC)
        keys: list[BlockKey] = [(selection.averaging, selection.time_zone, ids, start) for start in starts]
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
        """The time from which a block has to be read again; None if it is fresh."""
        block, at, (averaging, _, _, begin) = self._blocks.get(key), time.monotonic(), key
        if block is None or at - block.complete_at > _BLOCK_MAX_AGE:
            return begin
        if begin + _BLOCK_LENGTHS[averaging] < now - _SETTLING_TIME or at - block.read_at <= _RECENT_MAX_AGE:
            return None
        # the bucket that contains this moment may have begun a length earlier: legal days begin at local midnight
        return max(begin, _bucket_start(now - _SETTLING_TIME, _BUCKET_LENGTHS[averaging]) - _BUCKET_LENGTHS[averaging])

    async def _query_blocks(self, selection: Selection, stale: dict[BlockKey, datetime]) -> dict[BlockKey, Block]:
        averaging, zone, ids = selection.averaging, selection.time_zone, tuple(selection.ids)
        since, until = min(stale.values()), max(key[3] for key in stale) + _BLOCK_LENGTHS[averaging]
        read_at, previous = time.monotonic(), {key: self._blocks.get(key) for key in stale}
        rows, correct = await asyncio.gather(
            self._database.fetch_rows(f"select_means_{averaging}", selection.parameters(since, until)),
            build_corrector(selection, since, until, self._database.fetch_rows),
        )
        new: dict[BlockKey, list[DatedMean]] = {key: [] for key in stale}
        for row in map(MeanRow._make, rows):
            key = averaging, zone, ids, _bucket_start(row.start, _BLOCK_LENGTHS[averaging])
            if key in new and row.start >= stale[key]:
                corrected = correct(row.datastream, row.start, row.mean, row.valid_count, 0)
                new[key].append((row.start, mean_from_row(row, corrected)))
        return {key: merge_block(means, read_at, key[3], stale[key], previous[key]) for key, means in new.items()}


def merge_block(
    means: list[DatedMean], read_at: float, begin: datetime, since: datetime, previous: Block | None
) -> Block:
    """A block of the means that were read since `since`, and of the previous ones before that."""
    if previous is None or since == begin:
        return Block(means, read_at, read_at)
    return Block(means + previous.means[_count_from(previous.means, (since, -1)) :], read_at, previous.complete_at)


def _count_from(means: Sequence[DatedMean], bound: MeanPosition) -> int:
    """The number of means, newest first, at or after a position."""
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
    """Starts of the blocks that cover the period, newest first."""
    width, starts = _BLOCK_LENGTHS[averaging], []
    block_start = _bucket_start(end - timedelta(microseconds=1), width)
    while block_start > start - width:
        starts.append(block_start)
        block_start -= width
    return starts
