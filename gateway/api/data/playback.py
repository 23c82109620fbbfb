"""One-minute means of a day at many stations, in steps of a resolution, read in blocks of an hour.

`routes.playback` reads it. A block is cached: five minutes if it is long past, else half a minute. The cache is
bounded. Plain PostgreSQL computes an hour of a hundred stations at 1 Hz from 360,000 readings, within the time limit
of a query. On a busy machine it cannot do so for six hours.
"""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gateway.api.data.database import Database
from gateway.api.data.registry import PublicRegistry
from gateway.model.properties import PROPERTIES

MINUTE = timedelta(minutes=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BLOCK = timedelta(hours=1)
_BLOCK_MINUTES = _BLOCK // MINUTE
_SETTLING_TIME = timedelta(minutes=10)  # a mean changes until so long after its minute
_PAST_MAX_AGE, _RECENT_MAX_AGE = 300.0, 30.0  # s
_MAX_BLOCKS = 600
_PARALLEL = 2  # blocks that are read at the same time

Steps = list[int | None]
BlockKey = tuple[str, tuple[int, ...], datetime]  # property, datastreams, start
_Block = Mapping[int, Steps]


@dataclass(frozen=True, kw_only=True)
class PlaybackRow:
    """A row of the query `select_playback`: minutes after the start that have a mean, and the means in steps."""

    datastream: int
    minutes: Sequence[int]
    steps: Sequence[float]


class PlaybackCache:
    """Owned by one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._blocks: OrderedDict[BlockKey, tuple[float, _Block]] = OrderedDict()

    async def fetch(
        self, registry: PublicRegistry, stations: Sequence[str], name: str, period: tuple[datetime, datetime]
    ) -> dict[str, Steps]:
        """Per station its steps, one per minute of the period, which begins and ends at whole minutes.

        Stations without any value are left out. Of two nodes at one station the newer datastream counts if it has a
        value.
        """
        start, end = period
        ids = [id_ for station in stations for id_ in registry.datastreams_of(station, name)]
        frames: dict[str, Steps] = {}
        first = _EPOCH + (start - _EPOCH) // _BLOCK * _BLOCK
        block_starts = [first + number * _BLOCK for number in range(-((first - end) // _BLOCK))] if ids else []
        limit = asyncio.Semaphore(_PARALLEL)

        async def fetch(block_start: datetime) -> _Block:
            async with limit:
                return await self._fetch_block(name, tuple(ids), block_start)

        blocks = await asyncio.gather(*map(fetch, block_starts))
        for block_start, block in zip(block_starts, blocks, strict=True):
            offset = (block_start - start) // MINUTE
            for id_, steps in block.items():
                station_steps = frames.setdefault(registry.datastreams[id_].station, [None] * ((end - start) // MINUTE))
                copy_steps(steps, station_steps, offset)
        return {station: steps for station, steps in frames.items() if any(step is not None for step in steps)}

    async def _fetch_block(self, name: str, ids: tuple[int, ...], start: datetime) -> _Block:
        key, is_past = (name, ids, start), start + _BLOCK + _SETTLING_TIME < datetime.now(UTC)
        entry = self._blocks.get(key)
        if entry is not None and time.monotonic() - entry[0] < (_PAST_MAX_AGE if is_past else _RECENT_MAX_AGE):
            self._blocks.move_to_end(key)
            return entry[1]
        values = {"ids": list(ids), "start": start, "end": start + _BLOCK, "resolution": choose_resolution(name)}
        rows = await self._database.fetch(PlaybackRow, "select_playback", values)
        block = {row.datastream: _spread(row) for row in rows}
        self._blocks[key] = time.monotonic(), block
        while len(self._blocks) > _MAX_BLOCKS:
            self._blocks.popitem(last=False)
        return block


def choose_resolution(name: str) -> float:
    """The power of ten at or below a fifth of the smallest excess that is a peak; 1 without levels."""
    row = PROPERTIES.get(name)
    if row is None or row.severity is None:
        return 1.0
    return float(10.0 ** math.floor(math.log10(row.severity[0] / 5)))


def copy_steps(source: Sequence[int | None], target: Steps, offset: int) -> None:
    """Copy the values of a block into `target`, where the block begins at `offset`; parts outside are left out."""
    for i in range(max(0, -offset), min(len(source), len(target) - offset)):
        value = source[i]
        if value is not None:
            target[offset + i] = value


def _spread(row: PlaybackRow) -> Steps:
    steps: Steps = [None] * _BLOCK_MINUTES
    for minute, step in zip(row.minutes, row.steps, strict=True):
        steps[minute] = int(step)
    return steps
