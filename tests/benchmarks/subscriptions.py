"""Notices to many subscribers: how soon they are handed over, what inspectors notice of it, what kills lose. A module.

python -m tests.benchmarks.subscriptions [--latency N] [--crowd N] [--kills N]

The push service is a process of its own on loopback that counts requests; PostgreSQL and the workers are real.
"""

import argparse
import asyncio
import logging
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime
from os import urandom
from pathlib import Path

import msgspec
import psycopg
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from alerting.decide.routing import Route
from alerting.delivery.settings import SmtpSettings, WebhookSettings
from alerting.settings import AlertingSettings, ReceiverSettings
from alerting.subscriptions.push_message import create_vapid_key
from alerting.subscriptions.settings import SubscriptionSettings, WebPushSettings
from gateway.store.migrate import migrate
from gateway.system.child_process import find_free_port, is_port_open
from gateway.system.embedded_servers import Postgres
from tests.alerting.conftest import SECRET
from tests.alerting.running_dispatcher import insert_alerts, run_dispatchers, wait_until
from tests.alerting.sample_alerts import make_alert
from tests.alerting.servers import WebServer

WORKER = """
import asyncio, pathlib, sys, msgspec
from alerting.settings import AlertingSettings
from alerting.subscriptions import service
from alerting.subscriptions.settings import SubscriptionSettings
read = lambda text, kind: msgspec.json.decode(text, type=kind, dec_hook=lambda kind, value: pathlib.Path(value))
asyncio.run(service.run(read(sys.argv[1], SubscriptionSettings), read(sys.argv[2], AlertingSettings), sys.argv[3]))
"""
SERVICE = "import sys; from tests.benchmarks.subscriptions import serve_pushes; serve_pushes(*sys.argv[1:])"
_KEY = ec.generate_private_key(ec.SECP256R1())  # of every browser here; each notice is encrypted for it anew
_POINT = _KEY.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
_SECRET = urandom(16)


def serve_pushes(port: str, log: str) -> None:
    """Answer 201 to every push, and write time, endpoint and topic of each to the log."""

    async def talk(reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
                body = await reader.readexactly(int(headers["content-length"]))
                file.write(f"{time.time()} {head.split(' ')[1]} {headers.get('topic')} {body[:16].hex()}\n")
                writer.write(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n")
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    async def serve():
        async with await asyncio.start_server(talk, "127.0.0.1", int(port)) as server:
            await server.serve_forever()

    with Path(log).open("a", buffering=1) as file:
        asyncio.run(serve())


class Bench:
    """A database, a push service, and the settings that lead to them."""

    def __init__(self, dsn: str, folder: Path, webhook_url: str) -> None:
        self.dsn, self.log = dsn, folder / "pushes.log"
        self.port, self._connection = find_free_port(), None
        (folder / "secret").write_text(SECRET)
        create_vapid_key(folder / "vapid.pem")
        push = WebPushSettings(
            key_file=folder / "vapid.pem", contact="mailto:a@b.example", services=("localhost",), per_second=100_000
        )
        self.settings = SubscriptionSettings(push=push, calm_minutes=0)
        hook = WebhookSettings(url=webhook_url, secret_file=folder / "secret", timeout=30)
        self.alerting = AlertingSettings(
            allow_private=True,
            burst=1_000_000,
            calm_minutes=0,
            smtp=SmtpSettings(tls="none"),
            receiver=[ReceiverSettings(name="od", webhook=[hook])],
            route=[Route(receiver="od")],
        )

    def start(self) -> subprocess.Popen:
        """Start a worker in a process of its own."""
        texts = [msgspec.json.encode(value, enc_hook=str).decode() for value in (self.settings, self.alerting)]
        return subprocess.Popen([sys.executable, "-c", WORKER, *texts, self.dsn])

    def read_pushes(self) -> list[tuple[float, str, str]]:
        """Time, endpoint and topic of each push."""
        lines = [line.split() for line in self.log.read_text().splitlines()] if self.log.exists() else []
        return [(float(line[0]), line[1], line[2]) for line in lines]

    def count_waiting(self) -> int:
        """Revisions and notices that wait."""
        query = "SELECT (SELECT count(*) FROM subscriptions.queue) + (SELECT count(*) FROM subscriptions.notice)"
        if self._connection is None:
            self._connection = psycopg.connect(self.dsn, autocommit=True)
        ((count,),) = self._connection.execute(query).fetchall()
        return count

    def close(self) -> None:
        """Close the connection to the database."""
        if self._connection is not None:
            self._connection.close()

    def subscribe(self, count: int) -> None:
        """Have so many browsers, each with one subscription to the whole area, and no others."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("DELETE FROM subscriptions.contact")
            connection.execute(
                """WITH made AS (
                       INSERT INTO subscriptions.contact (kind, address, push_key, push_secret, language, confirmed_at)
                       SELECT 'push', 'http://localhost:' || %s || '/' || n, %s, %s, 'nl', now()
                       FROM generate_series(1, %s) n RETURNING id
                   )
                   INSERT INTO subscriptions.subscription (contact_id, place_kind, place, level, cadence, confirmed_at)
                   SELECT id, 'area', 'ijmond', 'minor', 'at_once', now() FROM made""",
                (self.port, _POINT, _SECRET, count),
            )
            connection.execute("ANALYZE subscriptions.contact, subscriptions.subscription")


@asynccontextmanager
async def running_worker(bench: Bench):
    worker = bench.start()
    try:
        with psycopg.connect(bench.dsn, autocommit=True) as connection:
            ready = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'piekwacht subscriptions localhost'"
            await wait_until(lambda: connection.execute(ready).fetchone(), within=60)
        yield worker
    finally:
        worker.kill()
        worker.wait()


def read_cpu_seconds(worker: subprocess.Popen) -> float:
    """Processor time of a process so far, which a busy machine does not change much."""
    fields = Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def percentiles(seconds: list[float]) -> str:
    parts = statistics.quantiles(seconds, n=100, method="inclusive")
    return f"p50 {parts[49]:.2f} s, p99 {parts[98]:.2f} s, most {max(seconds):.2f} s"


async def measure_latency(bench: Bench, count: int, events: int = 5) -> None:
    """From COMMIT of an event to the push service, for each of `count` subscribers."""
    bench.subscribe(count)
    async with running_worker(bench) as worker:
        seconds, cpu_before = [], read_cpu_seconds(worker)
        for number in range(events):
            committed_at = time.time()
            await insert_alerts(bench.dsn, make_alert(event_id=f"l{number}", plume=f"l{number}", station=f"s{number}"))
            await wait_until(lambda: bench.count_waiting() == 0, within=120)
            pushes = [at - committed_at for at, _, topic in bench.read_pushes() if topic == f"l{number}"]
            assert len(pushes) == count, f"{len(pushes)} of {count}"
            seconds += pushes
        cpu = (read_cpu_seconds(worker) - cpu_before) / (count * events)
    print(f"the worker's processor time: {1_000 * cpu:.2f} ms per push")
    print(f"latency, {count} subscribers, {events} events: COMMIT -> push handed over {percentiles(seconds)}")


async def measure_crowd(bench: Bench, count: int, web: WebServer) -> None:
    """How long `count` pushes take, and what an inspector's webhook notices of them."""
    bench.subscribe(count)
    async with run_dispatchers(bench.alerting, bench.dsn):
        alone = await notify_inspector(bench, web, "alone", 30)
        async with running_worker(bench):
            started_at = time.time()
            await insert_alerts(bench.dsn, make_alert(event_id="crowd", plume="crowd", station="crowd"))
            beside = await notify_inspector(bench, web, "beside", 30, area="elsewhere")
            await wait_until(lambda: bench.count_waiting() == 0, within=600)
            pushes = [at for at, _, topic in bench.read_pushes() if topic == "crowd"]
            assert len(pushes) == count
            seconds = max(pushes) - started_at
    print(f"crowd: {count} pushes handed over in {seconds:.1f} s")
    print(f"inspector's webhook, alone:        COMMIT -> delivered {percentiles(alone)}")
    print(f"inspector's webhook, beside pushes: COMMIT -> delivered {percentiles(beside)}")


async def notify_inspector(bench: Bench, web: WebServer, name: str, events: int, **changes: str) -> list[float]:
    """Seconds from COMMIT to the webhook of each of these events, one every 0.2 s."""
    first = len(web.requests)
    for number in range(events):
        event = f"{name}{number}"
        await insert_alerts(bench.dsn, make_alert(event_id=event, plume=event, station=event, **changes))
        await asyncio.sleep(0.2)
    await wait_until(lambda: len(web.requests) >= first + events, within=60)
    query = """SELECT extract(epoch FROM y.ended_at - i.received_at)::float8 FROM alerting.delivery y
               JOIN alerting.outbox o ON o.id = y.outbox_id JOIN alerting.inbox i USING (event_id, revision)
               WHERE o.event_id LIKE %s"""
    await asyncio.sleep(0.5)
    with psycopg.connect(bench.dsn) as connection:
        return [seconds for (seconds,) in connection.execute(query, [f"{name}%"])]


async def kill_workers(bench: Bench, kills: int, subscribers: int = 20, seed: int = 20261129) -> None:
    """Kill one of two workers again and again; afterwards every subscriber was notified, under one id."""
    chance, events = random.Random(seed), 0
    bench.subscribe(subscribers)
    workers, started = [bench.start(), bench.start()], time.perf_counter()
    for number in range(kills):
        for _ in range(chance.randrange(1, 4)):
            event = f"k{events}"
            await insert_alerts(bench.dsn, make_alert(event_id=event, plume=event, station=event))
            events += 1
        await asyncio.sleep(chance.random() * 1.5)
        victim = chance.randrange(2)
        workers[victim].kill()
        workers[victim].wait()
        workers[victim] = bench.start()
        if number % 50 == 49:
            print(f"  {number + 1} kills, {events} events", flush=True)
    try:
        await wait_until(lambda: bench.count_waiting() == 0, within=300)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    pairs = Counter((path, topic) for _, path, topic in bench.read_pushes() if topic.startswith("k"))
    with psycopg.connect(bench.dsn) as connection:
        ((ids, people, wrong),) = connection.execute(
            """SELECT count(DISTINCT push_id), count(DISTINCT (pseudonym, plume)),
                      count(*) FILTER (WHERE outcome <> 'delivered')
               FROM subscriptions.delivery WHERE plume LIKE 'k%'"""
        ).fetchall()
    expected = subscribers * events
    seconds = time.perf_counter() - started
    print(f"{kills} kills, {events} events, {subscribers} subscribers, {seconds:.0f} s")
    twice = pairs.total() - len(pairs)
    print(f"pushes: {expected - len(pairs)} forgotten, {ids - people} under a second id")
    print(f"        {twice} arrived twice under the same id; {wrong} attempts without success")
    assert len(pairs) == expected
    assert ids == people == expected


async def measure(bench: Bench, web: WebServer, options: argparse.Namespace) -> None:
    await wait_until(lambda: is_port_open("127.0.0.1", bench.port), within=60)
    if options.latency:
        await measure_latency(bench, options.latency)
    if options.crowd:
        await measure_crowd(bench, options.crowd, web)
    if options.kills:
        await kill_workers(bench, options.kills)


def main(options: argparse.Namespace) -> None:
    load = Path("/proc/loadavg").read_text().split(" ", 1)[0]
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M}, load {load}", flush=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="piekwacht-bench-")))
        folder.chmod(0o755)
        postgres = stack.enter_context(Postgres(folder, options={"max_connections": "100"}))
        web = stack.enter_context(WebServer())
        dsn = postgres.create_database("bench")
        migrate(dsn)
        bench = Bench(dsn, folder, web.url)
        service = subprocess.Popen([sys.executable, "-c", SERVICE, str(bench.port), str(bench.log)])
        stack.callback(service.kill)
        stack.callback(bench.close)
        asyncio.run(measure(bench, web, options))


if __name__ == "__main__":
    logging.disable()
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=int, default=1_000, help="subscribers whose delay is measured")
    parser.add_argument("--crowd", type=int, default=10_000, help="subscribers beside whom an inspector is notified")
    parser.add_argument("--kills", type=int, default=500, help="kills of workers")
    main(parser.parse_args())
