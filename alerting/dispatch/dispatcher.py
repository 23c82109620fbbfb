"""The dispatcher: one task that decides, several that send, one that tells the outside world we are alive.

Several dispatchers may run. Each task has its own connection and its own way back when the database
was away; a channel that hangs holds up only itself.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psycopg

from alerting import telemetry
from alerting.dispatch import heartbeat
from alerting.dispatch.decision_store import Decisions
from alerting.dispatch.inbox_worker import Decider
from alerting.dispatch.no_data_monitor import listen
from alerting.dispatch.sender import send_next
from alerting.dispatch.timer_worker import FollowUp
from alerting.settings import AlertingSettings
from alerting.sql import load

_LOG = logging.getLogger(__name__)
_QUERIES = load(Path(__file__).with_name("queries.sql"))
_POLL = 2.0  # seconds: how long a lost wake-up can delay anything
_LISTEN = 15.0  # seconds from one look for silence to the next
_PAUSE = 1.0  # seconds between attempts while the database is away
_OPTIONS = "-c idle_in_transaction_session_timeout=30000"  # a worker that froze gives back what it holds

Step = Callable[[psycopg.AsyncConnection], Awaitable[bool]]


async def run(settings: AlertingSettings, dsn: str) -> None:
    """Until cancelled; comes back by itself when the database was away."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_keep(dsn, _deciding(settings)), name="decide")
        for number in range(settings.senders):
            group.create_task(_keep(dsn, _sending(settings)), name=f"send {number}")
        if settings.heartbeat is not None:
            group.create_task(heartbeat.run(settings.heartbeat, dsn), name="heartbeat")


async def _keep(dsn: str, step: Step) -> None:
    """Take the step for as long as it finds work, then sleep until woken; on a new connection where one broke."""
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(
                dsn, autocommit=True, connect_timeout=5, application_name="piekwacht alerting", options=_OPTIONS
            ) as connection:
                await connection.execute("LISTEN piekwacht_alerting")
                while True:
                    if not await step(connection):
                        async for _ in connection.notifies(timeout=_POLL, stop_after=1):
                            pass
        except psycopg.Error as error:
            telemetry.TROUBLE.labels("database").inc()
            _LOG.warning("database: %s", " ".join(str(error).split()))
            await asyncio.sleep(_PAUSE)


def _deciding(settings: AlertingSettings) -> Step:
    decisions = Decisions(settings)
    decider, follow_up = Decider(settings, decisions), FollowUp(settings, decisions)
    look_at = listened = float("-inf")

    async def step(connection: psycopg.AsyncConnection) -> bool:
        nonlocal look_at, listened
        decided, now = await decider.decide_waiting(connection), time.monotonic()
        if now >= look_at:
            await follow_up.look(connection)
            took = time.monotonic() - now
            look_at = time.monotonic() + max(_POLL, 10 * took)  # in a storm deciding comes first
            row = await (await connection.execute(_QUERIES["sizes"])).fetchone()
            for name, size in zip(("inbox", "outbox"), row or (), strict=False):
                telemetry.QUEUE.labels(name).set(size)
        if settings.silent is not None and now - listened >= _LISTEN:
            listened = now
            await listen(settings.silent, connection)
        return decided > 0

    return step


def _sending(settings: AlertingSettings) -> Step:
    async def step(connection: psycopg.AsyncConnection) -> bool:
        return await send_next(settings, connection)

    return step
