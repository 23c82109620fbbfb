"""The dispatcher: one task that decides, several that send, one that tells the outside world we are alive.

Several dispatchers may run. Each task has its own connection and its own way back when the database
was away; a channel that hangs holds up only itself.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psycopg

from alerting import telemetry
from alerting.dispatch import heartbeat
from alerting.dispatch.decision_store import DecisionStore
from alerting.dispatch.inbox_worker import InboxWorker
from alerting.dispatch.no_data_monitor import check_network
from alerting.dispatch.sender import deliver_next
from alerting.dispatch.timer_worker import TimerWorker
from alerting.errors import one_line
from alerting.log import get_logger
from alerting.settings import AlertingSettings
from alerting.sql import load_queries

_LOG = get_logger("alerting.dispatch")
_QUERIES = load_queries(Path(__file__).with_name("queries.sql"))
_POLL_INTERVAL = 2.0  # seconds: how long a lost wake-up can delay anything
_NETWORK_CHECK_INTERVAL = 15.0  # seconds from one look for silence to the next
_RECONNECT_DELAY = 1.0  # seconds between attempts while the database is away
_OPTIONS = "-c idle_in_transaction_session_timeout=30000"  # a worker that froze gives back what it holds

WorkerStep = Callable[[psycopg.AsyncConnection], Awaitable[bool]]


async def run(settings: AlertingSettings, dsn: str) -> None:
    """Until cancelled; comes back by itself when the database was away."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_run_worker(dsn, _build_decision_step(settings)), name="decide")
        for number in range(settings.delivery_workers):
            group.create_task(_run_worker(dsn, _build_delivery_step(settings)), name=f"send {number}")
        if settings.heartbeat is not None:
            group.create_task(heartbeat.run(settings.heartbeat, dsn), name="heartbeat")


async def _run_worker(dsn: str, step: WorkerStep) -> None:
    """Take the step for as long as it finds work, then sleep until woken; on a new connection where one broke."""
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(
                dsn, autocommit=True, connect_timeout=5, application_name="piekwacht alerting", options=_OPTIONS
            ) as connection:
                await connection.execute("LISTEN piekwacht_alerting")
                while True:
                    if not await step(connection):
                        async for _ in connection.notifies(timeout=_POLL_INTERVAL, stop_after=1):
                            pass
        except psycopg.Error as error:
            telemetry.FAILURES.labels("database").inc()
            _LOG.warning("database unavailable", error=one_line(error))
            await asyncio.sleep(_RECONNECT_DELAY)


def _build_decision_step(settings: AlertingSettings) -> WorkerStep:
    decision_store = DecisionStore(settings)
    inbox_worker, timer_worker = InboxWorker(settings, decision_store), TimerWorker(settings, decision_store)
    timers_due_at = network_checked_at = float("-inf")

    async def step(connection: psycopg.AsyncConnection) -> bool:
        nonlocal timers_due_at, network_checked_at
        decision_count, now = await inbox_worker.decide_inbox(connection), time.monotonic()
        if now >= timers_due_at:
            await timer_worker.run_due_tasks(connection)
            duration = time.monotonic() - now
            timers_due_at = time.monotonic() + max(_POLL_INTERVAL, 10 * duration)  # in a storm deciding comes first
            row = await (await connection.execute(_QUERIES["count_queues"])).fetchone()
            for name, size in zip(("inbox", "outbox"), row or (), strict=False):
                telemetry.QUEUE_SIZE.labels(name).set(size)
        if settings.no_data is not None and now - network_checked_at >= _NETWORK_CHECK_INTERVAL:
            network_checked_at = now
            await check_network(settings.no_data, connection)
        return decision_count > 0

    return step


def _build_delivery_step(settings: AlertingSettings) -> WorkerStep:
    async def step(connection: psycopg.AsyncConnection) -> bool:
        return await deliver_next(settings, connection)

    return step
