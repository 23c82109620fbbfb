"""Metrics of upkeep, read from the database by the gateway: up to when each work is done, and its limit.

If the database is unavailable, the last values stay, so the alarm sees a work that is not shown to be done.
"""

import asyncio

import psycopg

from gateway import telemetry
from gateway.store.connection import fetch_all, fetch_scalar
from gateway.store.upkeep.register import QUERIES
from gateway.store.upkeep.status import WorkStatus, sort_status

_INTERVAL = 60.0  # s


async def report_upkeep(dsn: str) -> None:
    """Set the metrics every minute until cancelled."""
    while True:
        try:
            set_metrics(await _fetch(dsn))
        except psycopg.Error:
            telemetry.FAILURES.labels("upkeep").inc()
        await asyncio.sleep(_INTERVAL)


async def _fetch(dsn: str) -> list[WorkStatus]:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True, connect_timeout=5) as connection:
        if not await fetch_scalar(connection, QUERIES["has_upkeep"]):
            return []
        return sort_status(await fetch_all(connection, WorkStatus, QUERIES["select_done"]))


def set_metrics(statuses: list[WorkStatus]) -> None:
    """Show these works, and no others."""
    telemetry.UPKEEP_DONE.clear()
    telemetry.UPKEEP_LIMIT.clear()
    for status in statuses:
        telemetry.UPKEEP_DONE.labels(status.work).set(status.done_at.timestamp())
        telemetry.UPKEEP_LIMIT.labels(status.work).set(status.limit.total_seconds())
