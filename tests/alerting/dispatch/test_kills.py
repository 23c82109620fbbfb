"""Workers die at any moment; every alert still notifies, under ids by which a receiver drops repeats."""

import asyncio
import random
import subprocess
import sys

import msgspec
import pytest
from msgspec import structs

from tests.alerting.running_dispatcher import insert_alerts, run_dispatchers, wait_until_delivered
from tests.alerting.sample_alerts import make_alert
from tests.alerting.servers import WebServer

WORKER = """
import asyncio, pathlib, sys, msgspec
from alerting.dispatch import dispatcher
from alerting.settings import AlertingSettings
read = msgspec.json.decode(sys.argv[1], type=AlertingSettings, dec_hook=lambda kind, value: pathlib.Path(value))
asyncio.run(dispatcher.run(read, sys.argv[2]))
"""


@pytest.mark.slow
async def test_workers_killed_at_random_lose_no_notification(database, settings):
    chance, events = random.Random(20261121), 200
    with WebServer() as web:
        chosen = settings(web=web, burst=10_000)
        patient = [structs.replace(hook, timeout=30.0) for hook in chosen.receiver[0].webhook]  # the machine is busy
        chosen = structs.replace(chosen, receiver=[structs.replace(chosen.receiver[0], webhook=patient)])
        text = msgspec.json.encode(chosen, enc_hook=str).decode()
        start = lambda: subprocess.Popen([sys.executable, "-c", WORKER, text, database])  # noqa: E731
        workers = [start(), start()]
        for n in range(events):
            await insert_alerts(database, make_alert(event_id=f"event{n}", station=f"s{n}"))
            await asyncio.sleep(0.1)
            if n % 20 == 19:
                victim = chance.randrange(2)
                workers[victim].kill()
                workers[victim].wait()
                workers[victim] = start()
        for worker in workers:
            worker.kill()
            worker.wait()
        async with run_dispatchers(chosen, database):
            await wait_until_delivered(database, within=60)
        ids = [headers["webhook-id"] for headers, _ in web.requests]
    assert len(set(ids)) == events
    assert len(ids) - events <= 12  # at most one for each kill
