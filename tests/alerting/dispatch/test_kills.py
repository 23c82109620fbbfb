"""Workers are killed at any moment; every alert still notifies, and a receiver recognises repeats by their id."""

import asyncio
import random
import subprocess
import sys
from collections import Counter
from contextlib import asynccontextmanager

import msgspec
import pytest
from msgspec import structs

from alerting.delivery.settings import EmailSettings
from tests.alerting.running_dispatcher import fetch_rows, insert_alerts, run_dispatchers, wait_until_delivered
from tests.alerting.sample_alerts import make_alert
from tests.alerting.servers import MailServer, WebServer

WORKER = """
import asyncio, pathlib, sys, msgspec
from alerting.dispatch import dispatcher
from alerting.settings import AlertingSettings
read = msgspec.json.decode(sys.argv[1], type=AlertingSettings, dec_hook=lambda kind, value: pathlib.Path(value))
asyncio.run(dispatcher.run(read, sys.argv[2]))
"""


@asynccontextmanager
async def killed_workers(chosen, dsn, kills_every, events):
    """Two workers in separate processes; one of them is killed after every few alerts."""
    chance = random.Random(20261121)
    text = msgspec.json.encode(chosen, enc_hook=str).decode()
    start = lambda: subprocess.Popen([sys.executable, "-c", WORKER, text, dsn])  # noqa: E731
    workers = [start(), start()]
    for n in range(events):
        await insert_alerts(dsn, make_alert(event_id=f"event{n}", station=f"s{n}"))
        await asyncio.sleep(0.1)
        if n % kills_every == kills_every - 1:
            victim = chance.randrange(2)
            workers[victim].kill()
            workers[victim].wait()
            workers[victim] = start()
    for worker in workers:
        worker.kill()
        worker.wait()
    async with run_dispatchers(chosen, dsn):
        await wait_until_delivered(dsn, within=60)
        yield


@pytest.mark.slow
async def test_workers_killed_at_random_lose_no_addressee_of_a_mail(database, settings):
    events, names = 80, [f"{name}@od.example" for name in ("ann", "bob", "cas")]
    with MailServer(recipients={names[1]: ["550 no such user"]}) as server:
        chosen = settings(mail=server, burst=10_000)
        receiver = structs.replace(chosen.receiver[0], email=[EmailSettings(to=names)])
        chosen = structs.replace(chosen, receiver=[receiver])
        async with killed_workers(chosen, database, 20, events):
            pass
    addressed = Counter(
        (mail.content.partition(b"Message-ID: ")[2][:40], name) for mail in server.received for name in mail.rcpt_tos
    )
    assert len(addressed) == 2 * events
    assert sum(addressed.values()) - len(addressed) <= 2 * 6  # at most one mail for each kill
    newest = """SELECT addressee, outcome, count(*) FROM (
                    SELECT DISTINCT ON (outbox_id, addressee) addressee, outcome FROM alerting.addressee_outcome
                    ORDER BY outbox_id, addressee, attempt DESC) AS newest GROUP BY 1, 2 ORDER BY 1"""
    assert fetch_rows(database, newest) == [
        (names[0], "delivered", events), (names[1], "refused", events), (names[2], "delivered", events),
    ]  # fmt: skip
    assert fetch_rows(database, "SELECT DISTINCT state FROM alerting.outbox") == [("partial",)]


@pytest.mark.slow
async def test_workers_killed_at_random_lose_no_notification(database, settings):
    events = 200
    with WebServer() as web:
        chosen = settings(web=web, burst=10_000)
        patient = [structs.replace(hook, timeout=30.0) for hook in chosen.receiver[0].webhook]  # the machine is busy
        chosen = structs.replace(chosen, receiver=[structs.replace(chosen.receiver[0], webhook=patient)])
        async with killed_workers(chosen, database, 20, events):
            pass
        ids = [headers["webhook-id"] for headers, _ in web.requests]
    assert len(set(ids)) == events
    assert len(ids) - events <= 12  # at most one for each kill
