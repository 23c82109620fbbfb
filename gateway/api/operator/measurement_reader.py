"""Data capture of the whole fleet, read in the background: on plain PostgreSQL it takes longer than people wait."""

import asyncio
import time
from collections.abc import Callable

import psycopg

from alerting.errors import one_line
from alerting.log import get_logger
from gateway.operator.fleet import Measurements

_LOG = get_logger("gateway.api")
_MAX_AGE = 900.0  # s; it is of whole hours
_PATIENCE = 3.0  # s that a page waits for the first result
_RETRY = 60.0  # s after a failure


class MeasurementReader:
    """One read at a time for all pages; owned by one application."""

    def __init__(self) -> None:
        self._newest = Measurements()
        self._due = 0.0
        self._task: asyncio.Task[None] | None = None

    async def get(self, load: Callable[[], Measurements]) -> Measurements:
        """Return the newest result. A page waits some seconds if a new one is due, and then takes the former one."""
        if time.monotonic() >= self._due and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._refresh(load), name="data capture of the fleet")
        if self._task is not None and not self._task.done():
            await asyncio.wait([self._task], timeout=_PATIENCE)
        return self._newest

    async def _refresh(self, load: Callable[[], Measurements]) -> None:
        try:
            self._newest = await asyncio.to_thread(load)
        except psycopg.Error as error:
            self._due = time.monotonic() + _RETRY
            _LOG.warning("data capture not read", error=one_line(error))
        else:
            self._due = time.monotonic() + _MAX_AGE
