"""One worker of several: takes in the areas it has leases for, and hands over what is another's.

Each area is an Ingest of its own, with its own session on the broker and its own connection to the database.
The session stays on the broker when an area changes hands, so that what came in between waits for the next one;
what was not committed was not acknowledged either, and what was is known to the ledger.
"""

import asyncio
import logging
import secrets
import socket
from collections.abc import Callable, Coroutine, Iterable

import psycopg

from gateway import telemetry
from gateway.sharding.leases import NAME, Leases, Turn

_LOG = logging.getLogger(__name__)
_TURNS = 5  # looks at the table before a lease would run out


class Pool:
    """Runs one part an area, for as long as this worker holds its lease."""

    def __init__(
        self, dsn: str, areas: list[str], expiry: float, part: Callable[[str, str], Coroutine[None, None, None]]
    ) -> None:
        """`part(area, name of its connection)` runs until cancelled."""
        self.worker = f"{socket.gethostname()[:20]}-{secrets.token_hex(4)}"
        self._leases = Leases(dsn, self.worker, areas, expiry)
        self._pause, self._part = expiry / _TURNS, part
        self._running: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Until cancelled; then every lease is given back. The first part that fails takes the worker with it."""
        _LOG.info("worker %s shares areas with the others", self.worker)
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    try:
                        await self._turn(group)
                    except psycopg.Error as error:
                        telemetry.FAILURES.labels("leases").inc()
                        _LOG.warning("leases cannot be looked at: %s", " ".join(str(error).split()))
                    await asyncio.sleep(self._pause)
        finally:
            await self._leases.leave()

    async def _turn(self, group: asyncio.TaskGroup) -> None:
        turn = await self._leases.turn(frozenset(self._running))
        _tell(turn)
        await self._stop(turn.plan.lost | (turn.plan.give & self._running.keys()))
        if turn.plan.give:
            await self._leases.give(turn.plan.give)
        for area in sorted(turn.plan.begin):
            _LOG.info("area %s is ours, lease %s", area, turn.numbers.get(area, "as before"))
            self._running[area] = group.create_task(self._part(area, NAME + self.worker), name=area)
        telemetry.AREAS.set(turn.areas)
        telemetry.LEASED.set(len(self._running))

    async def _stop(self, areas: Iterable[str]) -> None:
        """In the middle of a transaction too: what it held is acknowledged by whoever stores it."""
        ending = [self._running.pop(area) for area in areas]
        for task in ending:
            task.cancel()
        if ending:
            await asyncio.wait(ending)


def _tell(turn: Turn) -> None:
    for worker, connections in turn.dead.items():
        _LOG.warning("worker %s has not been seen: its areas are free, %d connections ended", worker, connections)
    for area in sorted(turn.plan.give):
        _LOG.info("area %s is handed over", area)
    for area in sorted(turn.plan.lost):
        _LOG.warning("area %s was taken by another worker", area)
