"""Means in pages, newest first, with what is long past kept a while in memory.

Where the database has no continuous aggregates a day of one-minute means is gathered from 86,400 readings. Periods
that ended some time ago seldom change, so they are read in blocks and each block is believed for a minute; the last
hour for a second. The house is bounded: blocks longest unused leave first.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from weakref import WeakValueDictionary

from fastapi import HTTPException

from gateway.api import representations as r
from gateway.api.reading import Reader
from gateway.export.corrected import corrections
from gateway.export.selection import Averaging, Selection

_BLOCK = {
    Averaging.MINUTE: timedelta(hours=1),
    Averaging.HOUR: timedelta(days=2),
    Averaging.DAY: timedelta(days=30),
}
_RUN = 24  # blocks of one query
_SETTLED = timedelta(minutes=10)
_BELIEVED = 60.0  # seconds; late data show after this at the latest
_NEW = 1.0  # the same for what is being measured now: an answer is kept for two seconds anyway
_MOST = 4_000  # blocks
_PATIENCE = 10.0

Key = tuple[Averaging, tuple[int, ...], datetime]
Dated = tuple[datetime, r.Mean]  # the bucket, and what is shown of it


class Means:
    """Owned by one process."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._kept: OrderedDict[Key, tuple[float, list[Dated]]] = OrderedDict()
        self._filling: WeakValueDictionary[tuple[int, ...], asyncio.Lock] = WeakValueDictionary()

    async def page(self, selection: Selection, before: tuple[datetime, int] | None, count: int) -> list[Dated]:
        """At most `count` means, newest first, before that bucket and datastream; 503 where it takes too long."""
        found: list[Dated] = []
        last = selection.end if before is None else min(selection.end, before[0] + timedelta(microseconds=1))
        blocks = _blocks(selection.averaging, selection.start, last)
        try:
            async with asyncio.timeout(_PATIENCE):
                for i in range(0, len(blocks), _RUN):
                    # one at a time for each datastream: what many ask is read once, the others find it known
                    async with self._filling.setdefault(tuple(selection.ids), asyncio.Lock()):
                        run = await self._run(selection, blocks[i : i + _RUN])
                    found += [
                        one
                        for one in run
                        if selection.start <= one[0] < last and (before is None or (one[0], one[1].datastream) < before)
                    ]
                    if len(found) >= count:
                        break
        except TimeoutError:
            raise HTTPException(503, "that took too long; ask for a shorter period") from None
        return found[:count]

    async def _run(self, selection: Selection, blocks: Sequence[datetime]) -> list[Dated]:
        """All that these blocks hold, newest first; those that are not known are read in one question."""
        ids, width = tuple(selection.ids), _BLOCK[selection.averaging]
        keys: list[Key] = [(selection.averaging, ids, block) for block in blocks]
        missing = [key for key in keys if not self._fresh(key)]
        if missing:
            period = {"ids": list(ids), "start": missing[-1][2], "end": missing[0][2] + width}
            asked = time.monotonic()
            parts: dict[Key, list[Dated]] = {key: [] for key in missing}
            found, correct = await asyncio.gather(
                self._reader.rows(f"means_{selection.averaging}", period),
                corrections(selection, missing[-1][2], missing[0][2] + width, self._reader.rows),
            )
            for row in found:
                key = selection.averaging, ids, _begin(row[1], width)
                if key in parts:
                    parts[key].append((row[1], r.mean(row, correct(row[0], row[1], row[4], row[3]))))
            for key, part in parts.items():
                self._keep(key, asked, part)
        out = [dated for key in keys for dated in self._kept[key][1]]
        while len(self._kept) > _MOST:
            self._kept.popitem(last=False)
        return out

    def _fresh(self, key: Key) -> bool:
        kept = self._kept.get(key)
        if kept is None:
            return False
        settled = key[2] + _BLOCK[key[0]] < datetime.now(UTC) - _SETTLED
        if time.monotonic() - kept[0] > (_BELIEVED if settled else _NEW):
            return False
        self._kept.move_to_end(key)
        return True

    def _keep(self, key: Key, asked: float, part: list[Dated]) -> None:
        self._kept[key] = asked, part
        self._kept.move_to_end(key)


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
