"""The worker that decides: the inbox first, then timers that are due, then the check of the network.

The dispatcher repeats `step`. psycopg.Error passes through; the dispatcher then reconnects.
"""

import time
from pathlib import Path

import psycopg
from msgspec import Struct

from alerting import telemetry
from alerting.dispatch.inbox_worker import InboxWorker
from alerting.dispatch.no_data_monitor import check_network
from alerting.dispatch.timer_worker import TimerWorker
from alerting.dispatch.worker import POLL_INTERVAL
from alerting.rows import fetch_one
from alerting.settings import AlertingSettings
from alerting.sql import load_queries

_QUERIES = load_queries(Path(__file__).with_suffix(".sql"))
_NETWORK_CHECK_INTERVAL = 15.0  # seconds between checks of the network
_TIMER_PAUSE_FACTOR = 10  # pause after the timers, in multiples of their duration: in a storm the inbox comes first


class _QueueSizes(Struct, frozen=True, kw_only=True):
    inbox: int
    outbox: int


class DecisionWorker:
    """Decides at the pace of the inbox; timers and network checks have deadlines on the monotonic clock."""

    def __init__(self, inbox_worker: InboxWorker, timer_worker: TimerWorker, settings: AlertingSettings) -> None:
        self._inbox_worker, self._timer_worker, self._settings = inbox_worker, timer_worker, settings
        self._timers_due_at = self._network_checked_at = float("-inf")

    async def step(self, connection: psycopg.AsyncConnection) -> bool:
        """Decide once; returns whether the inbox held anything."""
        decision_count, now = await self._inbox_worker.decide_inbox(connection), time.monotonic()
        if now >= self._timers_due_at:
            await self._run_timers(connection, now)
            await _report_queue_sizes(connection)
        if now - self._network_checked_at >= _NETWORK_CHECK_INTERVAL:
            self._network_checked_at = now
            await check_network(self._settings, connection)
        return decision_count > 0

    async def _run_timers(self, connection: psycopg.AsyncConnection, started_at: float) -> None:
        await self._timer_worker.run_due_tasks(connection)
        finished_at = time.monotonic()
        self._timers_due_at = finished_at + max(POLL_INTERVAL, _TIMER_PAUSE_FACTOR * (finished_at - started_at))


async def _report_queue_sizes(connection: psycopg.AsyncConnection) -> None:
    sizes = await fetch_one(connection, _QueueSizes, _QUERIES["count_queues"])
    if sizes is not None:
        telemetry.QUEUE_SIZE.labels("inbox").set(sizes.inbox)
        telemetry.QUEUE_SIZE.labels("outbox").set(sizes.outbox)
