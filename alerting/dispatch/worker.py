"""A worker at the database: repeats a step while it has work, waits to be woken, and reconnects.

The dispatcher and the workers of subscriptions use it. A psycopg.Error of a step ends the session; a new one follows.
"""

import asyncio
from collections.abc import Awaitable, Callable

import psycopg
from psycopg import sql

from alerting import telemetry
from alerting.errors import one_line
from alerting.log import get_logger

_LOG = get_logger("alerting.dispatch")
POLL_INTERVAL = 2.0  # seconds: the longest delay after a lost notification
_RECONNECT_DELAY = 1.0  # seconds between attempts while the database is unavailable
_OPTIONS = "-c idle_in_transaction_session_timeout=30000"  # a worker that hangs releases its locks

WorkerStep = Callable[[psycopg.AsyncConnection], Awaitable[bool]]


async def run_worker(dsn: str, step: WorkerStep, *, channel: str, name: str) -> None:
    """Run until cancelled. `step` returns whether it did any work; `channel` wakes it; `name` shows in the database."""
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(
                dsn, autocommit=True, connect_timeout=5, application_name=name, options=_OPTIONS
            ) as connection:
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                while True:
                    did_work = await step(connection)
                    _raise_lost_cancellation()
                    if not did_work:
                        async for _ in connection.notifies(timeout=POLL_INTERVAL, stop_after=1):
                            pass
        except psycopg.Error as error:
            telemetry.FAILURES.labels("database").inc()
            _LOG.warning("database unavailable", error=one_line(error))
            await asyncio.sleep(_RECONNECT_DELAY)


def _raise_lost_cancellation() -> None:
    """Raise CancelledError if the step was cancelled and went on.

    Until Python 3.12 asyncio.wait_for drops a cancellation that comes together with its result; aiosmtplib uses it
    for every answer of the mail server. Without this a service that must stop would go on to deliver.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
