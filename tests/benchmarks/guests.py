"""Posts of foreign sensors that one API process takes: how many, how fast, at which cost. Run as a module.

python -m tests.benchmarks.guests [POSTS_PER_SECOND] [SECONDS]

A real PostgreSQL writes through to the disk. The API runs in a separate process, as the service runs it. 1,000 guests
post as an airRohr does, on 100 connections. A post is due at a fixed time, whether the one before was
answered or not; its time runs from then until the answer. Afterwards every answered post must be in the inbox, once.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections import Counter
from datetime import date
from pathlib import Path

import psycopg
import uvloop

from edge_agent.wire import Signer
from gateway.model.registry import Area
from gateway.operator.actor import local_actor
from gateway.operator.guests import GuestOrder, add_guest
from gateway.store import stations
from gateway.store.migrate import migrate
from gateway.system.embedded_servers import Broker, Postgres
from tests.benchmarks.api_read import ProcessorTime, running_api_process
from tests.gateway.adapters.messages import airrohr

GUESTS, CONNECTIONS = 1_000, 100
OUTLINE = {"type": "Polygon", "coordinates": [[[4.5, 52.4], [4.7, 52.4], [4.7, 52.6], [4.5, 52.4]]]}


def enrol_guests(dsn: str) -> list[str]:
    """Return the tokens of the guests."""
    notary, actor = Signer.generate("notary"), local_actor("benchmark")
    with psycopg.connect(dsn) as connection:
        stations.put_area(connection, Area(id="ijmond", name="IJmond", authority="OD", outline=OUTLINE))
        return [
            add_guest(
                connection,
                actor,
                GuestOrder(
                    node=f"guest-{i}", area="ijmond", name=f"Guest {i}", latitude=52.4 + i / 10_000, longitude=4.6,
                    format="airrohr", sender="esp8266-12345", owner="owner", consent_on=date(2026, 11, 1),
                    consent_text="1",
                ),
                notary.verifier,
            )
            for i in range(GUESTS)
        ]  # fmt: skip


def encode_post(token: str, number: int) -> bytes:
    """One request of HTTP; each body differs, also from those of another run."""
    body = airrohr(
        SDS_P1=number % 997 / 10,
        SDS_P2=number / 1000,
        signal=-time.monotonic_ns(),
        BME280_temperature=8.5,
        BME280_humidity=71.2,
    )
    lines = [
        f"POST /api/v1/guests/{token} HTTP/1.1",
        "Host: x",
        "X-Sensor: esp8266-12345",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Load:
    """Posts at fixed times, and what was answered."""

    def __init__(self, port: int, tokens: list[str], rate: int) -> None:
        self._port, self._tokens, self._rate = port, tokens, rate
        self.seconds: list[float] = []
        self.statuses: Counter[int] = Counter()

    async def run(self, count: int) -> float:
        """Send `count` posts; return how long that took."""
        start = time.perf_counter() + 0.2
        await asyncio.gather(*(self._run_connection(i, count, start) for i in range(CONNECTIONS)))
        return time.perf_counter() - start

    async def _run_connection(self, first: int, count: int, start: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        for number in range(first, count, CONNECTIONS):
            due = start + number / self._rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            writer.write(encode_post(self._tokens[number % GUESTS], number))
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            self.seconds.append(time.perf_counter() - due)
            self.statuses[int(head.split(b" ", 2)[1])] += 1
        writer.close()


def measure(dsn: str, tokens: list[str], api: tuple[int, int], rate: int, seconds: int) -> None:
    """Print the figures."""
    port, pid = api
    warm_up = Load(port, tokens, 200)
    uvloop.run(warm_up.run(400))
    with psycopg.connect(dsn, autocommit=True) as connection:
        before = connection.execute("SELECT count(*) FROM guest_message").fetchone()[0]
    load, cpu, client = Load(port, tokens, rate), ProcessorTime(pid), time.process_time()
    took = uvloop.run(load.run(rate * seconds))
    posts = sum(load.statuses.values())
    api_ms = cpu.ms_per_request(posts)
    ordered = sorted(load.seconds)
    with psycopg.connect(dsn, autocommit=True) as connection:
        stored = connection.execute("SELECT count(*) FROM guest_message").fetchone()[0] - before
    print(f"asked {rate}/s for {seconds} s: {posts} posts in {took:.1f} s, {posts / took:.0f}/s, {dict(load.statuses)}")
    for name, share in (("median", 0.5), ("95 %", 0.95), ("99 %", 0.99), ("highest", 1.0)):
        print(f"  {name:8}{ordered[min(int(share * posts), posts - 1)] * 1e3:8.1f} ms")
    client_ms = (time.process_time() - client) / posts * 1e3
    print(f"  processor of the API {api_ms:.2f} ms a post; of this client {client_ms:.2f} ms")
    print(f"  in the inbox: {stored} of {load.statuses[200]} that were answered with 200")
    print(f"  load {os.getloadavg()[0]:.1f}", flush=True)


def main() -> None:
    """Measure three times."""
    rate = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with Postgres(Path(folder) / "db") as postgres, Broker(Path(folder) / "broker") as broker:
            dsn = postgres.create_database("guests")
            migrate(dsn)
            tokens = enrol_guests(dsn)
            with running_api_process(dsn, broker.settings) as api:
                for _ in range(3):
                    measure(dsn, tokens, api, rate, seconds)


if __name__ == "__main__":
    main()
