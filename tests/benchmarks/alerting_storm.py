"""A storm of 10,000 events in a minute, and the way from COMMIT to a mail server before it. Run as a module.

python -m tests.benchmarks.alerting_storm [SECONDS]
"""

import asyncio
import logging
import sys
import tempfile
import time
from pathlib import Path

import psycopg
from msgspec import structs

from alerting import inbox
from alerting.decide.routing import Route
from alerting.delivery.email import EmailSettings, SmtpSettings
from alerting.dispatch import dispatcher
from alerting.settings import AlertingSettings, ReceiverSettings
from gateway.store.migrate import migrate
from gateway.system.embedded_servers import Postgres
from tests.alerting.sample_alerts import make_alert
from tests.alerting.servers import MailServer

LATENCY = """SELECT percentile_cont(ARRAY[0.5, 0.99])
  WITHIN GROUP (ORDER BY extract(epoch FROM d.ended_at - i.received_at))
FROM alerting.delivery d JOIN alerting.outbox o ON o.id = d.outbox_id
JOIN alerting.inbox i ON i.event_id = o.event_id AND i.revision = o.revision WHERE d.outcome = 'delivered'"""


DECISION_DELAY = """SELECT percentile_cont(ARRAY[0.5, 0.99])
  WITHIN GROUP (ORDER BY extract(epoch FROM dispatched_at - received_at))
FROM alerting.inbox WHERE event_id LIKE 'storm%'"""
UNDECIDED = "SELECT count(*) FROM alerting.inbox WHERE dispatched_at IS NULL"


async def run(dsn: str, seconds: float) -> None:
    with MailServer() as server:
        settings = AlertingSettings(
            smtp=SmtpSettings(port=server.controller.port, tls="none"),
            receiver=[ReceiverSettings(name="od", email=[EmailSettings(to=["a@b.nl"])])],
            route=[Route(receiver="od", remind_minutes=10)],
            burst=200,
        )
        task = asyncio.create_task(dispatcher.run(settings, dsn))
        await asyncio.sleep(1)
        await insert_storm(dsn, "calm", 150, 1, 0.1)
        await asyncio.sleep(3)
        latency = await fetch_one(dsn, LATENCY)
        print(
            f"calm: 150 events, COMMIT -> mail server p50, p99 = {latency[0][0]:.2f}, {latency[0][1]:.2f} s", flush=True
        )
        await cancel(task)
        await fetch_one(dsn, "UPDATE alerting.outbox SET first_try_at = now() - interval '1 hour' RETURNING 1")

        before, storm_settings = len(server.received), structs.replace(settings, burst=10)
        task = asyncio.create_task(dispatcher.run(storm_settings, dsn))
        at_a_time = 10_000 // round(
            seconds * 10
        )  # as the gateway does: what a tenth of a second brought, in one commit
        durations = await insert_storm(dsn, "storm", 10_000, at_a_time, 0.1)
        started = time.perf_counter()
        while (await fetch_one(dsn, UNDECIDED))[0]:
            await asyncio.sleep(0.2)
        delay, decision_delay = time.perf_counter() - started, (await fetch_one(dsn, DECISION_DELAY))[0]
        await asyncio.sleep(storm_settings.gather_seconds + 5)  # the last gathered message
        mails = len(server.received) - before
        print(f"storm: 10,000 events in {durations:.0f} s, {mails} mails; the last decided {delay:.1f} s later,")
        print(f"COMMIT -> decided p50, p99 = {decision_delay[0]:.2f}, {decision_delay[1]:.2f} s")
        await cancel(task)


async def insert_storm(dsn: str, name: str, events: int, at_a_time: int, pause: float) -> float:
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        started = time.perf_counter()
        for n in range(0, events, at_a_time):
            numbers = range(n, min(n + at_a_time, events))
            await inbox.put_alerts(
                connection, [make_alert(event_id=f"{name}{m}", station=f"{name}{m}") for m in numbers]
            )
            await connection.commit()
            await asyncio.sleep(max(0.0, started + (n / at_a_time + 1) * pause - time.perf_counter()))
        return time.perf_counter() - started


async def fetch_one(dsn: str, statement: str) -> tuple:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        return await (await connection.execute(statement)).fetchone()


async def cancel(task: asyncio.Task) -> None:
    task.cancel()
    await asyncio.wait([task])


if __name__ == "__main__":
    logging.disable()
    with tempfile.TemporaryDirectory(prefix="piekwacht-bench-") as folder:
        Path(folder).chmod(0o755)
        with Postgres(Path(folder), options={"max_connections": "50"}) as postgres:
            dsn = postgres.create_database("bench")
            migrate(dsn)
            asyncio.run(run(dsn, float(sys.argv[1]) if len(sys.argv) > 1 else 60.0))
