"""A dispatcher that runs during a test, and functions that wait for its results."""

import asyncio
from contextlib import asynccontextmanager, suppress

import psycopg

from alerting import inbox
from alerting.dispatch import dispatcher

_UNDECIDED = "SELECT 1 FROM alerting.inbox WHERE dispatched_at IS NULL"
_UNSENT = "SELECT 1 FROM alerting.outbox WHERE state IN ('pending', 'sending')"


async def insert_alerts(dsn, *alerts):
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        await inbox.put_alerts(connection, alerts)


def fetch_rows(dsn, statement):
    with psycopg.connect(dsn) as connection:
        return connection.execute(statement).fetchall()


def change(dsn, statement, *values):
    """Change rows of the dispatchers, and notify them."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement, values or None)
        connection.execute("NOTIFY piekwacht_alerting")


@asynccontextmanager
async def run_dispatchers(settings, dsn, workers=1):
    tasks = [asyncio.create_task(dispatcher.run(settings, dsn)) for _ in range(workers)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def wait_until(condition, within=15.0):
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.02)


async def wait_until_absent(dsn, *statements, within=15.0):
    """Wait until one statement after the other finds nothing: over one connection, which costs the server little."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            await wait_until(lambda statement=statement: connection.execute(statement).fetchone() is None, within)


async def wait_until_present(dsn, statement, within=15.0):
    """Wait until the statement finds something."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        await wait_until(lambda: connection.execute(statement).fetchone() is not None, within)


async def wait_until_delivered(dsn, within=15.0):
    await wait_until_absent(dsn, _UNDECIDED, _UNSENT, within=within)


async def deliver_in_turn(dsn, *alerts):
    """Insert the alerts one after the other; each is decided and delivered before the next."""
    for alert in alerts:
        await insert_alerts(dsn, alert)
        await wait_until_delivered(dsn)


async def skip_retry_delay(dsn):
    """Wait for the first attempt to have failed, and do not wait for the second."""
    await wait_until_present(dsn, "SELECT 1 FROM alerting.delivery")
    change(dsn, "UPDATE alerting.outbox SET next_attempt_at = now() WHERE state = 'pending'")
