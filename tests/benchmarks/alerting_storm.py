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

from alerting import dispatcher, inbox
from alerting.delivery.email import EmailSettings, SmtpSettings
from alerting.routing import Route
from alerting.settings import AlertingSettings, ReceiverSettings
from gateway.embedded import Postgres
from gateway.store.migrate import migrate
from tests.alerting.alerts import alert
from tests.alerting.servers import MailServer

LATENCY = """SELECT percentile_cont(ARRAY[0.5, 0.99])
  WITHIN GROUP (ORDER BY extract(epoch FROM d.ended_at - i.received_at))
FROM alerting.delivery d JOIN alerting.outbox o ON o.id = d.outbox_id
JOIN alerting.inbox i ON i.event_id = o.event_id AND i.revision = o.revision WHERE d.outcome = 'delivered'"""


async def run(dsn: str, seconds: float) -> None:
    with MailServer() as server:
        settings = AlertingSettings(
            smtp=SmtpSettings(port=server.controller.port, tls="none"),
            receiver=[ReceiverSettings(name="od", email=[EmailSettings(to=["a@b.nl"])])],
            route=[Route(receiver="od")],
            burst=200,
        )
        for phase, burst, events, pause in (("calm", 200, 150, 0.1), ("storm", 10, 10_000, seconds / 10_000)):
            chosen = AlertingSettings(
                **{n: getattr(settings, n) for n in settings.__struct_fields__} | {"burst": burst}
            )
            task = asyncio.create_task(dispatcher.run(chosen, dsn))
            await asyncio.sleep(1)
            before = len(server.taken)
            async with await psycopg.AsyncConnection.connect(dsn) as connection:
                began = time.perf_counter()
                for n in range(events):
                    await inbox.put(connection, [alert(event_id=f"{phase}{n}", station=f"s{n}")])
                    await connection.commit()
                    await asyncio.sleep(max(0.0, began + (n + 1) * pause - time.perf_counter()))
                took = time.perf_counter() - began
                await asyncio.sleep(3)
                latency = await (await connection.execute(LATENCY)).fetchone()
                undecided = "SELECT count(*) FROM alerting.inbox WHERE dispatched_at IS NULL"
                waiting = await (await connection.execute(undecided)).fetchone()
                if phase == "calm":
                    print(f"calm: {events} events, COMMIT -> mail server p50, p99 = {latency[0]} s")
                    await connection.execute("UPDATE alerting.outbox SET first_try_at = now() - interval '1 hour'")
                    await connection.commit()
                else:
                    print(
                        f"storm: {events} in {took:.0f} s, {len(server.taken) - before} mails, {waiting[0]} undecided"
                    )
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
