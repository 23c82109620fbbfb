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
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psycopg
import uvloop

from gateway.api.app import serve
from gateway.api.settings import ApiSettings
from gateway.store.migrate import migrate
from gateway.system.child_process import find_free_port, is_port_open
from gateway.system.embedded_servers import Broker, Postgres

DAYS = 10
REQUESTS_PER_SECOND = 50


def insert_stations(dsn: str, count: int) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            """INSERT INTO area VALUES ('ijmond', 'IJmond', 'OD', '{"type":"Polygon","coordinates":[]}')"""
        )
        connection.execute(
            "INSERT INTO station SELECT 's'||i, 'ijmond', 'Station '||i, 52, 4 FROM generate_series(1, %s) i", [count]
        )
        connection.execute("INSERT INTO node SELECT 'n'||i, 'ijmond', 'key' FROM generate_series(1, %s) i", [count])
        connection.execute(
            """INSERT INTO datastream (station_id, node_id, property_id)
                       SELECT 's'||i, 'n'||i, 'pm2_5' FROM generate_series(1, %s) i""",
            [count],
        )
        connection.execute(
            """INSERT INTO datastream (station_id, node_id, property_id)
                       SELECT 's'||i, 'n'||i, 'humidity' FROM generate_series(1, %s) i""",
            [DAYS],
        )
        connection.execute("INSERT INTO batch VALUES (1, 'n1', 'a', 1, '', '', 'b', 0, 'synced', false, now(), now())")
        connection.execute(
            """INSERT INTO observation SELECT d.id, now() - i * interval '1 second', 8 + sin(i), 0, 1
               FROM generate_series(0, 59) i, datastream d ORDER BY i DESC"""
        )
        connection.execute(
            """INSERT INTO observation SELECT d.id, now() - i * interval '1 second', 8 + sin(i), 0, 1
               FROM generate_series(60, 86400) i, datastream d
               WHERE d.id <= %s OR d.property_id = 'humidity' ORDER BY i DESC""",
            [DAYS],
        )
        connection.execute("VACUUM ANALYZE observation")


def serve_api(dsn: str, broker: object, port: int) -> None:
    uvloop.run(serve(ApiSettings(port=port), dsn, broker))


@contextmanager
def running_api_process(dsn: str, broker: object) -> Iterator[tuple[int, int]]:
    """The API in a process; yields its port and the id of the process."""
    port = find_free_port()
    process = multiprocessing.get_context("spawn").Process(target=serve_api, args=(dsn, broker, port))
    process.start()
    while not is_port_open("127.0.0.1", port):
        time.sleep(0.05)
    try:
        yield port, process.pid or 0
    finally:
        process.kill()
        process.join()


class ProcessorTime:
    """Processor time of a process and its children, since this was made."""

    def __init__(self, pid: int) -> None:
        self._pid, self._before = pid, _read_processor_seconds(pid)

    def ms_per_request(self, requests: int) -> float:
        """Milliseconds for each of so many requests."""
        return (_read_processor_seconds(self._pid) - self._before) / requests * 1e3


def _read_processor_seconds(pid: int) -> float:
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


async def measure_newest(port: int, api_pid: int) -> None:
    path = "/api/v1/stations"
    print(f"newest of all, first of all: {await time_request(port, path):.3f} s", flush=True)
    uncached, cached = [], []
    for _ in range(12):
        await asyncio.sleep(1.1)
        uncached.append(await time_request(port, path))
        cached += [await time_request(port, path) for _ in range(5)]
    print_percentiles("newest of all, uncached", uncached)
    print_percentiles("newest of all, from cache", cached)
    processor_time = ProcessorTime(api_pid)
    for _ in range(2_000):
        await time_request(port, "/api/v1/areas")
    print(f"an answer that is kept, connection included: {processor_time.ms_per_request(2_000):.2f} ms of processor")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        answer = await client.get(path)
    print(f"  {len(answer.content) / 1e6:.1f} MB, {len(answer.json()['features'])} stations")
    print_percentiles(
        "newest of all, unchanged (304)", [await time_request(port, path, answer.headers["etag"]) for _ in range(5)]
    )


async def time_request(port: int, path: str, etag: str = "") -> float:
    """Seconds until the first byte of the answer, over a bare connection of its own: a client library costs more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    request_head = f"GET {path} HTTP/1.1\r\nHost: here\r\nIf-None-Match: {etag}\r\nConnection: close\r\n\r\n"
    started = time.perf_counter()
    writer.write(request_head.encode())
    status = await reader.readline()
    seconds = time.perf_counter() - started
    assert status.split()[1] in {b"200", b"304"}, status
    while await reader.read(1 << 20):
        pass
    writer.close()
    return seconds


async def measure_days(port: int, api_pid: int, database_pid: int, duration: int = 20) -> None:
    end = datetime.now(UTC).replace(second=0, microsecond=0)
    durations: list[float] = []

    async def request_day(number: int) -> None:
        # every address is a new one: no answer is kept
        path = f"/api/v1/stations/s{number % DAYS + 1}/observations?end={end.isoformat()[:19]}.{number:03d}Z"
        durations.append(await time_request(port, path))

    for number in range(DAYS):
        await request_day(number)
    print_percentiles("a day of 1-minute values, first time", durations)
    durations.clear()
    api_time, database_time = ProcessorTime(api_pid), ProcessorTime(database_pid)
    async with asyncio.TaskGroup() as group:
        started = time.perf_counter()
        for number in range(DAYS, duration * REQUESTS_PER_SECOND):
            group.create_task(request_day(number % 1000))
            await asyncio.sleep(max(0.0, started + number / REQUESTS_PER_SECOND - time.perf_counter()))
    print_percentiles(f"a day of 1-minute values at {REQUESTS_PER_SECOND} requests/s", durations)
    print(
        f"  of processor: {api_time.ms_per_request(len(durations)):.2f} ms, "
        f"and {database_time.ms_per_request(len(durations)):.2f} ms in the database"
    )


def print_percentiles(name: str, seconds: list[float]) -> None:
    seconds = sorted(seconds)
    print(
        f"{name}: median {seconds[len(seconds) // 2] * 1e3:.1f} ms, "
        f"p99 {seconds[int(len(seconds) * 0.99)] * 1e3:.1f} ms",
        flush=True,
    )


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with Postgres(Path(folder)) as server, Broker(Path(folder) / "broker") as broker:
            dsn = server.create_database("bench")
            migrate(dsn)
            insert_stations(dsn, count)
            with running_api_process(dsn, broker.settings) as (port, pid):
                asyncio.run(measure_newest(port, pid))
                asyncio.run(measure_days(port, pid, server.pid))


if __name__ == "__main__":
    main()
