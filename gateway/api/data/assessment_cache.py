"""Assessments of the last days for the station pages, read at most once in ten minutes per station.

Bounded: the least recently used station goes first. A page waits a few seconds at most and goes without it then.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from fastapi import HTTPException

from gateway.api.data.assessments import AssessedStation

_MAX_AGE = 600.0  # s
_MAX_STATIONS = 500
_TIMEOUT = 3.0  # s


class AssessmentCache:
    """Owned by one process."""

    def __init__(self) -> None:
        self._entries: OrderedDict[str, tuple[float, AssessedStation | None]] = OrderedDict()

    async def fetch(self, station: str, make: Callable[[], Awaitable[AssessedStation]]) -> AssessedStation | None:
        """Return the assessment of a station; None if the database is too slow now, for as long as an answer."""
        entry = self._entries.get(station)
        if entry is None or time.monotonic() - entry[0] >= _MAX_AGE:
            entry = time.monotonic(), await _try(make)
        self._entries[station] = entry
        self._entries.move_to_end(station)
        if len(self._entries) > _MAX_STATIONS:
            self._entries.popitem(last=False)
        return entry[1]


async def _try(make: Callable[[], Awaitable[AssessedStation]]) -> AssessedStation | None:
    try:
        async with asyncio.timeout(_TIMEOUT):
            return await make()
    except (TimeoutError, HTTPException):
        return None
