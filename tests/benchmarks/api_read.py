"""What reading costs: the newest of many stations, and a day of one-minute values. Run as a module.

python -m tests.benchmarks.api_read [STATIONS]

A real PostgreSQL, the API in a process of its own, as the service runs it, one client. Each station has its last
minute at 1 Hz; ten of them have a whole day at 1 Hz of dust and of humidity, which plain PostgreSQL gathers into
minutes while it is asked. Beside the time until the first byte stands the processor time that a request took, which
other work on the machine changes little.
"""

import asyncio
import multiprocessing
import os
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psycopg
import uvloop

from gateway.api.app import serve
from gateway.api.settings import ApiSettings
from gateway.store.migrate import migrate
from gateway.system.child_process import answers, free_port
from gateway.system.embedded_servers import Broker, Postgres

DAYS = 10
PER_SECOND = 50


def fill(dsn: str, count: int) -> None:
    with psycopg.connect(dsn, autocommit=True) as one:
        one.execute("""INSERT INTO area VALUES ('ijmond', 'IJmond', 'OD', '{"type":"Polygon","coordinates":[]}')""")
        one.execute(
            "INSERT INTO station SELECT 's'||i, 'ijmond', 'Station '||i, 52, 4 FROM generate_series(1, %s) i", [count]
        )
        one.execute("INSERT INTO node SELECT 'n'||i, 'ijmond', 'key' FROM generate_series(1, %s) i", [count])
        one.execute(
            """INSERT INTO datastream (station_id, node_id, property_id)
                       SELECT 's'||i, 'n'||i, 'pm2_5' FROM generate_series(1, %s) i""",
            [count],
        )
        one.execute(
            """INSERT INTO datastream (station_id, node_id, property_id)
                       SELECT 's'||i, 'n'||i, 'humidity' FROM generate_series(1, %s) i""",
            [DAYS],
        )
        one.execute("INSERT INTO batch VALUES (1, 'n1', 'a', 1, '', '', 'b', 0, 'synced', false, now(), now())")
        one.execute(
            """INSERT INTO observation SELECT d.id, now() - i * interval '1 second', 8 + sin(i), 0, 1
               FROM generate_series(0, 59) i, datastream d ORDER BY i DESC"""
        )
        one.execute(
            """INSERT INTO observation SELECT d.id, now() - i * interval '1 second', 8 + sin(i), 0, 1
               FROM generate_series(60, 86400) i, datastream d
               WHERE d.id <= %s OR d.property_id = 'humidity' ORDER BY i DESC""",
            [DAYS],
        )
        one.execute("VACUUM ANALYZE observation")


def api(dsn: str, broker: object, port: int) -> None:
    uvloop.run(serve(ApiSettings(port=port), dsn, broker))


class Used:
    """Processor time of a process and its children, since this was made."""

    def __init__(self, pid: int) -> None:
        self._pid, self._before = pid, _used(pid)

    def each(self, requests: int) -> float:
        """Milliseconds for each of so many requests."""
        return (_used(self._pid) - self._before) / requests * 1e3


def _used(pid: int) -> float:
    """Seconds of processor that a process, its children and those of them that have gone had."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue  # it has gone
        if str(pid) in {stat.parent.name, fields[1]}:
            total += sum(map(int, fields[11:15] if stat.parent.name == str(pid) else fields[11:13]))
    return total / os.sysconf("SC_CLK_TCK")


async def newest(port: int, api: int) -> None:
    path = "/api/v1/stations"
    print(f"newest of all, first of all: {await timed(port, path):.3f} s", flush=True)
    uncached, cached = [], []
    for _ in range(12):
        await asyncio.sleep(1.1)
        uncached.append(await timed(port, path))
        cached += [await timed(port, path) for _ in range(5)]
    show("newest of all, uncached", uncached)
    show("newest of all, from cache", cached)
    used = Used(api)
    for _ in range(2_000):
        await timed(port, "/api/v1/areas")
    print(f"an answer that is kept, connection included: {used.each(2_000):.2f} ms of processor")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        answer = await client.get(path)
    print(f"  {len(answer.content) / 1e6:.1f} MB, {len(answer.json()['features'])} stations")
    show("newest of all, unchanged (304)", [await timed(port, path, answer.headers["etag"]) for _ in range(5)])


async def timed(port: int, path: str, etag: str = "") -> float:
    """Seconds until the first byte of the answer, over a bare connection of its own: a client library costs more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"GET {path} HTTP/1.1\r\nHost: here\r\nIf-None-Match: {etag}\r\nConnection: close\r\n\r\n"
    began = time.perf_counter()
    writer.write(head.encode())
    status = await reader.readline()
    took = time.perf_counter() - began
    assert status.split()[1] in {b"200", b"304"}, status
    while await reader.read(1 << 20):
        pass
    writer.close()
    return took


async def days(port: int, api: int, database: int, seconds: int = 20) -> None:
    end = datetime.now(UTC).replace(second=0, microsecond=0)
    took: list[float] = []

    async def one(number: int) -> None:
        # every address is a new one: no answer is kept
        path = f"/api/v1/stations/s{number % DAYS + 1}/observations?end={end.isoformat()[:19]}.{number:03d}Z"
        took.append(await timed(port, path))

    for number in range(DAYS):
        await one(number)
    show("a day of 1-minute values, first time", took)
    took.clear()
    used, stored = Used(api), Used(database)
    async with asyncio.TaskGroup() as group:
        began = time.perf_counter()
        for number in range(DAYS, seconds * PER_SECOND):
            group.create_task(one(number % 1000))
            await asyncio.sleep(max(0.0, began + number / PER_SECOND - time.perf_counter()))
    show(f"a day of 1-minute values at {PER_SECOND} requests/s", took)
    print(f"  of processor: {used.each(len(took)):.2f} ms, and {stored.each(len(took)):.2f} ms in the database")


def show(name: str, took: list[float]) -> None:
    took = sorted(took)
    print(
        f"{name}: median {took[len(took) // 2] * 1e3:.1f} ms, p99 {took[int(len(took) * 0.99)] * 1e3:.1f} ms",
        flush=True,
    )


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with Postgres(Path(folder)) as server, Broker(Path(folder) / "broker") as broker:
            dsn = server.create_database("bench")
            migrate(dsn)
            fill(dsn, count)
            port = free_port()
            process = multiprocessing.get_context("spawn").Process(target=api, args=(dsn, broker.settings, port))
            process.start()
            while not answers("127.0.0.1", port):
                time.sleep(0.05)
            try:
                asyncio.run(newest(port, process.pid or 0))
                asyncio.run(days(port, process.pid or 0, server.pid))
            finally:
                process.kill()
                process.join()


if __name__ == "__main__":
    main()
