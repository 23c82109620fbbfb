"""The dispatcher: one worker that decides, several that deliver, and the heartbeat. Run by `piekwacht run`.

Several dispatchers may run on one database. Each worker has its own connection and reconnects by itself while the
database is unavailable. A channel that hangs delays only the worker that delivers to it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import psycopg

from alerting import telemetry
from alerting.dispatch import heartbeat
from alerting.dispatch.decision_store import DecisionStore
from alerting.dispatch.decision_worker import POLL_INTERVAL, DecisionWorker
from alerting.dispatch.delivery_worker import deliver_next
from alerting.dispatch.inbox_worker import InboxWorker
from alerting.dispatch.timer_worker import TimerWorker
from alerting.errors import one_line
from alerting.log import get_logger
from alerting.settings import AlertingSettings

_LOG = get_logger("alerting.dispatch")
_RECONNECT_DELAY = 1.0  # seconds between attempts while the database is unavailable
_OPTIONS = "-c idle_in_transaction_session_timeout=30000"  # a worker that hangs releases its locks

WorkerStep = Callable[[psycopg.AsyncConnection], Awaitable[bool]]


async def run(settings: AlertingSettings, dsn: str) -> None:
    """Run until cancelled. Raises SettingsError if a file that a route names cannot be read."""
    decision_store = DecisionStore(settings)
    decision_worker = DecisionWorker(
        InboxWorker(settings, decision_store), TimerWorker(settings, decision_store), settings
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(_run_worker(dsn, decision_worker.step), name="decide")
        for number in range(settings.delivery_workers):
            group.create_task(_run_worker(dsn, partial(deliver_next, settings)), name=f"deliver {number}")
        if settings.heartbeat is not None:
            group.create_task(heartbeat.run(settings.heartbeat, dsn), name="heartbeat")


async def _run_worker(dsn: str, step: WorkerStep) -> None:
    """Repeat the step while it does work, then sleep until notified; open a new connection if one breaks."""
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(
                dsn, autocommit=True, connect_timeout=5, application_name="piekwacht alerting", options=_OPTIONS
            ) as connection:
                await connection.execute("LISTEN piekwacht_alerting")
                while True:
                    if not await step(connection):
                        async for _ in connection.notifies(timeout=POLL_INTERVAL, stop_after=1):
                            pass
        except psycopg.Error as error:
            telemetry.FAILURES.labels("database").inc()
            _LOG.warning("database unavailable", error=one_line(error))
            await asyncio.sleep(_RECONNECT_DELAY)
