"""One of several workers that share areas: ingests the areas it has leases for, and releases areas of others.

Each area has a separate IngestConsumer, with a broker session and a database connection. The session stays on the
broker when an area moves to another worker. Messages that arrive meanwhile wait there, and messages that were not
committed were not acknowledged either. The ledger recognises those that were committed but not acknowledged.
"""

import asyncio
import secrets
import socket
from collections.abc import Callable, Coroutine, Iterable

import psycopg

from alerting.errors import one_line
from alerting.log import get_logger
from gateway import telemetry
from gateway.sharding.leases import CONNECTION_NAME_PREFIX, LeaseRenewal, Leases

_LOG = get_logger("gateway.sharding")


class AreaPool:
    """Runs one ingest task per area, as long as this worker holds its lease."""

    def __init__(
        self, dsn: str, areas: list[str], expiry: float, ingest_area: Callable[[str, str], Coroutine[None, None, None]]
    ) -> None:
        """`ingest_area(area, connection name)` runs until cancelled."""
        self.worker_id = f"{socket.gethostname()[:20]}-{secrets.token_hex(4)}"
        self._leases = Leases(dsn, self.worker_id, areas, expiry)
        self._ingest_area = ingest_area
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Until cancelled; then give up all leases. The first task that fails stops the worker."""
        _LOG.info("worker shares areas with other workers", worker=self.worker_id)
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    try:
                        await self._renew_leases(group)
                    except psycopg.Error as error:
                        telemetry.FAILURES.labels("leases").inc()
                        _LOG.warning("leases unreadable: database unavailable", error=one_line(error))
                    await asyncio.sleep(self._leases.renewal_interval)
        finally:
            await self._leases.release_all()

    async def _renew_leases(self, group: asyncio.TaskGroup) -> None:
        renewal = await self._leases.renew(frozenset(self._tasks))
        _log_changes(renewal)
        await self._stop_areas(renewal.plan.lost | (renewal.plan.release & self._tasks.keys()))
        if renewal.plan.release:
            await self._leases.release(renewal.plan.release)
        for area in sorted(renewal.plan.start):
            _LOG.info("lease acquired", area=area, lease=renewal.lease_numbers.get(area, "unchanged"))
            self._tasks[area] = group.create_task(
                self._ingest_area(area, CONNECTION_NAME_PREFIX + self.worker_id), name=area
            )
        telemetry.AREAS.set(renewal.area_count)
        telemetry.LEASED_AREAS.set(len(self._tasks))

    async def _stop_areas(self, areas: Iterable[str]) -> None:
        """Cancel the tasks of these areas, also during a transaction: the next worker stores the messages again."""
        tasks = [self._tasks.pop(area) for area in areas]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


def _log_changes(renewal: LeaseRenewal) -> None:
    for worker, connections in renewal.dead_workers.items():
        _LOG.warning("worker expired: its areas are free", worker=worker, closed_connections=connections)
    for area in sorted(renewal.plan.release):
        _LOG.info("lease released", area=area)
    for area in sorted(renewal.plan.lost):
        _LOG.warning("lease lost to another worker", area=area)
