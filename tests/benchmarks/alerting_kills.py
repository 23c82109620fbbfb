"""Two workers killed again and again while alerts come in: what is lost, what is told twice. Run as a module.

python -m tests.benchmarks.alerting_kills [KILLS]
"""

import asyncio
import email
import email.policy
import logging
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import msgspec

from alerting.decide.routing import Route
from alerting.delivery.email import EmailSettings, SmtpSettings
from alerting.delivery.webhook import WebhookSettings
from alerting.settings import AlertingSettings, ReceiverSettings
from gateway.store.migrate import migrate
from gateway.system.embedded_servers import Postgres
from tests.alerting.conftest import SECRET
from tests.alerting.dispatch.test_kills import WORKER
from tests.alerting.running_dispatcher import insert_alerts, run_dispatchers, wait_until_delivered
from tests.alerting.sample_alerts import make_alert
from tests.alerting.servers import MailServer, WebServer


async def run(dsn: str, folder: Path, kills: int) -> None:
    rng, events = random.Random(20261121), 0
    (folder / "secret").write_text(SECRET)
    with MailServer() as server, WebServer() as web:
        settings = AlertingSettings(
            allow_private=True,
            burst=1_000_000,
            smtp=SmtpSettings(port=server.controller.port, tls="none", timeout=30),
            receiver=[
                ReceiverSettings(
                    name="od",
                    email=[EmailSettings(to=["a@b.nl"])],
                    webhook=[WebhookSettings(url=web.url, secret_file=folder / "secret", timeout=30)],
                )
            ],
            route=[Route(receiver="od")],
        )
        text = msgspec.json.encode(settings, enc_hook=str).decode()
        start_worker = lambda: subprocess.Popen([sys.executable, "-c", WORKER, text, dsn])  # noqa: E731
        workers, started = [start_worker(), start_worker()], time.perf_counter()
        for _ in range(kills):
            for _ in range(rng.randrange(1, 6)):
                await insert_alerts(dsn, make_alert(event_id=f"event{events}", station=f"s{events}"))
                events += 1
            await asyncio.sleep(rng.random() * 2)
            victim = rng.randrange(2)
            workers[victim].kill()
            workers[victim].wait()
            workers[victim] = start_worker()
        for worker in workers:
            worker.kill()
            worker.wait()
        async with run_dispatchers(settings, dsn):
            await wait_until_delivered(dsn, within=300)
        durations = time.perf_counter() - started
    ids = Counter(headers["webhook-id"] for headers, _ in web.requests)
    mails = [email.message_from_bytes(envelope.content, policy=email.policy.default) for envelope in server.received]
    deliveries: Counter[str] = Counter()
    unmarked_repeats = 0
    for message in mails:
        deliveries[message["Message-ID"]] += 1
        repeat = "Mogelijk een herhaling" in message.get_body(("plain",)).get_content()
        unmarked_repeats += deliveries[message["Message-ID"]] > 1 and not repeat
    print(f"{kills} kills, {events} events, {durations:.0f} s")
    print(f"webhook: {events - len(ids)} lost, {ids.total() - len(ids)} arrived twice under the same id")
    print(
        f"mail: {events - len(deliveries)} lost, {deliveries.total() - len(deliveries)} arrived twice, "
        f"{unmarked_repeats} of these not marked"
    )


if __name__ == "__main__":
    logging.disable()
    with tempfile.TemporaryDirectory(prefix="piekwacht-bench-") as folder:
        Path(folder).chmod(0o755)
        with Postgres(Path(folder), options={"max_connections": "100"}) as postgres:
            dsn = postgres.create_database("bench")
            migrate(dsn)
            asyncio.run(run(dsn, Path(folder), int(sys.argv[1]) if len(sys.argv) > 1 else 500))
