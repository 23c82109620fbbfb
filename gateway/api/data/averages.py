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

from gateway.api.data.database import Reader
from gateway.api.schemas.observations import Mean, mean_of
from gateway.export.corrected import corrections
from gateway.export.selection import Averaging, Selection

_BLOCK = {
    Averaging.MINUTE: timedelta(hours=1),
    Averaging.HOUR: timedelta(days=2),
    Averaging.DAY: timedelta(days=30),
}
_BUCKET = {Averaging.MINUTE: timedelta(minutes=1), Averaging.HOUR: timedelta(hours=1), Averaging.DAY: timedelta(days=1)}
_RUN = 24  # blocks of one query
_SETTLED = timedelta(minutes=10)
_BELIEVED = 60.0  # seconds; late data show after this at the latest
_NEW = 1.0  # the same for what is being measured now: an answer is kept for two seconds anyway
_MOST = 4_000  # blocks
_PATIENCE = 10.0

Key = tuple[Averaging, tuple[int, ...], datetime]
Dated = tuple[datetime, Mean]  # the bucket, and what is shown of it
Place = tuple[datetime, int]  # bucket and datastream: by these all means stand in order, newest first


class Block:
    """All means of a stretch of time, newest first; when they were read, and when all of them were at once."""

    def __init__(self, dated: list[Dated], read: float, whole: float) -> None:
        self.dated, self.read, self.whole = dated, read, whole

    @cached_property
    def encoded(self) -> bytes:
        """As JSON, one after another with commas between."""
        return _encoded(self.dated)


class Part:
    """Those means of a block that belong to a page, at least one."""

    def __init__(self, block: Block, first: int, last: int) -> None:
        self._block, self._first, self._last = block, first, last

    @property
    def dated(self) -> list[Dated]:
        """Newest first."""
        return self._block.dated[self._first : self._last]

    def __len__(self) -> int:
        return max(0, self._last - self._first)

    def encoded(self, most: int) -> bytes:
        """At most that many of them as JSON, one after another with commas between."""
        if len(self) == len(self._block.dated) <= most:
            return self._block.encoded
        return _encoded(self.dated[:most])


class Means:
    """Owned by one process."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._kept: OrderedDict[Key, Block] = OrderedDict()
        self._filling: WeakValueDictionary[tuple[int, ...], asyncio.Lock] = WeakValueDictionary()

    async def page(self, selection: Selection, before: Place | None, count: int) -> list[Dated]:
        """At most `count` means, newest first, before that bucket and datastream; 503 where it takes too long."""
        parts = await self.parts(selection, before, count)
        return [dated for part in parts for dated in part.dated][:count]

    async def parts(self, selection: Selection, before: Place | None, count: int) -> list[Part]:
        """The same in the parts in which they are kept; the last may hold more than is wanted."""
        found: list[Part] = []
        end = selection.end, -1
        upper, lower = end if before is None else min(end, before), (selection.start, -1)
        blocks = _blocks(selection.averaging, selection.start, upper[0] + timedelta(microseconds=before is not None))
        try:
            async with asyncio.timeout(_PATIENCE):
                for i in range(0, len(blocks), _RUN):
                    # one at a time for each datastream: what many ask is read once, the others find it known
                    async with self._filling.setdefault(tuple(selection.ids), asyncio.Lock()):
                        run = await self._run(selection, blocks[i : i + _RUN])
                    parts = (Part(one, _after(one.dated, upper), _after(one.dated, lower)) for one in run)
                    found += [part for part in parts if len(part)]
                    if sum(map(len, found)) >= count:
                        break
        except TimeoutError:
            raise HTTPException(503, "that took too long; ask for a shorter period") from None
        return found

    async def _run(self, selection: Selection, beginnings: Sequence[datetime]) -> list[Block]:
        """These blocks; what is not known of them is read in one question."""
        ids, now = tuple(selection.ids), datetime.now(UTC)
        keys: list[Key] = [(selection.averaging, ids, beginning) for beginning in beginnings]
        missing = {key: self._missing(key, now) for key in keys}
        unknown = {key: since for key, since in missing.items() if since is not None}
        known = {key: self._kept[key] for key in keys if key not in unknown}
        blocks = {**known, **(await self._read(selection, unknown) if unknown else {})}
        for key in keys:
            self._kept[key] = blocks[key]
            self._kept.move_to_end(key)
        while len(self._kept) > _MOST:
            self._kept.popitem(last=False)
        return [blocks[key] for key in keys]

    def _missing(self, key: Key, now: datetime) -> datetime | None:
        """Since when a block has to be read; None where it is known."""
        kept, at, (averaging, _, begin) = self._kept.get(key), time.monotonic(), key
        if kept is None or at - kept.whole > _BELIEVED:
            return begin
        if begin + _BLOCK[averaging] < now - _SETTLED or at - kept.read <= _NEW:
            return None
        return max(begin, _begin(now - _SETTLED, _BUCKET[averaging]))

    async def _read(self, selection: Selection, unknown: dict[Key, datetime]) -> dict[Key, Block]:
        averaging, ids = selection.averaging, tuple(selection.ids)
        since, until = min(unknown.values()), max(key[2] for key in unknown) + _BLOCK[averaging]
        asked, older = time.monotonic(), {key: self._kept.get(key) for key in unknown}
        rows, correct = await asyncio.gather(
            self._reader.rows(f"means_{averaging}", {"ids": list(ids), "start": since, "end": until}),
            corrections(selection, since, until, self._reader.rows),
        )
        new: dict[Key, list[Dated]] = {key: [] for key in unknown}
        for row in rows:
            key = averaging, ids, _begin(row[1], _BLOCK[averaging])
            if key in new and row[1] >= unknown[key]:
                new[key].append((row[1], mean_of(row, correct(row[0], row[1], row[4], row[3]))))
        return {key: joined(dated, asked, key[2], unknown[key], older[key]) for key, dated in new.items()}


def joined(dated: list[Dated], asked: float, begin: datetime, since: datetime, older: Block | None) -> Block:
    """A block of what was read, and of what was known from before that."""
    if older is None or since == begin:
        return Block(dated, asked, asked)
    return Block(dated + older.dated[_after(older.dated, (since, -1)) :], asked, older.whole)


def _after(dated: Sequence[Dated], bound: Place) -> int:
    """How many of these, newest first, stand at or after a place."""
    if not dated or _place(dated[0]) < bound:
        return 0
    if _place(dated[-1]) >= bound:
        return len(dated)
    return next(i for i, one in enumerate(dated) if _place(one) < bound)


def _place(one: Dated) -> Place:
    return one[0], one[1].datastream


def _encoded(dated: Sequence[Dated]) -> bytes:
    return json.encode([mean for _, mean in dated])[1:-1]


def _begin(at: datetime, width: timedelta) -> datetime:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return epoch + (at - epoch) // width * width


def _blocks(averaging: Averaging, start: datetime, end: datetime) -> list[datetime]:
    """Beginnings of the blocks that hold the period, newest first."""
    width, out = _BLOCK[averaging], []
    block = _begin(end - timedelta(microseconds=1), width)
    while block > start - width:
        out.append(block)
        block -= width
    return out
