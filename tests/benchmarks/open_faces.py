"""What reading costs by the forms of others: the newest of many stations, and a day of one datastream among many rows.

python -m tests.benchmarks.open_faces [--stations 10000] [--rows 20000000] [--requests 100]

A real PostgreSQL, the API in a separate process, one client; times are those until the first byte. Each station has
its last minute at 1 Hz. 2,000 datastreams have older readings, one each ten seconds, in the order in which their
batches arrive. `uncached`: the answer is computed for this request; `cached`: the same request again while it is fresh.
"""

import argparse
import asyncio
import multiprocessing
import os
import statistics
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import httpx
import numpy as np
import psycopg
import uvloop

from gateway.api.app import serve
from gateway.api.sensorthings.model import MODEL_1_1
from gateway.api.sensorthings.option_parser import parse_options
from gateway.api.sensorthings.sql_builder import Constraint, build_page
from gateway.api.settings import ApiSettings
from gateway.store.connection import QUERIES, connect
from gateway.store.copy_observations import encode_observations
from gateway.store.migrate import migrate
from gateway.system.child_process import find_free_port, is_port_open
from gateway.system.embedded_servers import Broker, Postgres
from tests.benchmarks.api_read import ProcessorTime, time_request

STREAMS, INTERVAL_MS, READINGS_PER_BATCH = 2_000, 10_000, 6
DAY_MS = 86_400_000
PARAMETERS = {"root": "http://x", "operator": "x", "licence": "x"}

FACES = {
    "SensorThings 1.1, 1,000 datastreams with their newest reading": (
        "/sta/v1.1/Datastreams?$select=id,name&$top=1000&$skip={n}"
        "&$expand=Observations($select=phenomenonTime,result;$orderby=phenomenonTime desc;$top=1)"
    ),
    "Sensor.Community, all stations": "/airrohr/v1/filter/box=-89.{n:05},-179,89,179",
    "OGC API Features, all stations": "/ogc/collections/stations/items?limit=10000&bbox=-179,-89.{n:05},179,89",
    "WMS, all stations": (
        "/wms?SERVICE=WMS&VERSION=1.3.0&REQUEST=GetMap&LAYERS=pm2_5&CRS=CRS:84&BBOX=3,51.{n:05},6,54"
        "&WIDTH=800&HEIGHT=800&FORMAT=image/png"
    ),
}


def insert_stations(dsn: str, count: int) -> None:
    """Stations with a datastream of pm2_5 each."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        outline = '{"type":"Polygon","coordinates":[]}'
        connection.execute("INSERT INTO area VALUES ('ijmond', 'IJmond', 'OD', %s)", [outline])
        connection.execute(
            """INSERT INTO station SELECT 's'||i, 'ijmond', 'Station '||i, 51 + 3 * random(), 4 + 2 * random()
               FROM generate_series(1, %s) i""",
            [count],
        )
        connection.execute("INSERT INTO node SELECT 'n'||i, 'ijmond', 'key' FROM generate_series(1, %s) i", [count])
        connection.execute(
            """INSERT INTO datastream (station_id, node_id, property_id)
               SELECT 's'||i, 'n'||i, 'pm2_5' FROM generate_series(1, %s) i ORDER BY i""",
            [count],
        )
        connection.execute("INSERT INTO batch VALUES (1, 'n1', 'a', 1, '', '', 'b', 0, 'synced', false, now(), now())")


def insert_history(dsn: str, rows: int, first_ms: int) -> None:
    """Readings of the first 2,000 datastreams, in turns of one batch of each."""
    rng, turn = np.random.default_rng(1), STREAMS * READINGS_PER_BATCH
    with connect(dsn) as connection:
        for number in range(0, rows // turn, 10):
            turns = np.arange(number, number + 10)
            began = np.repeat(turns * READINGS_PER_BATCH * INTERVAL_MS, turn)
            stream = encode_observations(
                np.tile(np.repeat(np.arange(1, STREAMS + 1), READINGS_PER_BATCH), 10),
                first_ms + began + np.tile(np.arange(READINGS_PER_BATCH) * INTERVAL_MS, STREAMS * 10),
                rng.normal(10, 1, turn * 10),
                np.zeros(turn * 10, np.int32),
                np.full(turn * 10, 1, np.int64),
            )
            with connection.transaction(), connection.cursor().copy(QUERIES["copy_observations"]) as out:
                out.write(stream)
        connection.execute("VACUUM ANALYZE observation")


def insert_last_minute(dsn: str) -> None:
    """The last minute of every datastream, one reading a second."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            """INSERT INTO observation (datastream_id, observed_at, value, flags, batch_id)
               SELECT d.id, date_trunc('second', now()) - i * interval '1 second', 8 + sin(i), 0, 1
               FROM generate_series(0, 59) i, datastream d ORDER BY i DESC"""
        )
        connection.execute("VACUUM ANALYZE observation")


def print_plan(dsn: str, options: str) -> None:
    """How PostgreSQL reads the day."""
    pairs = [part.partition("=")[::2] for part in options.split("&")]
    constraints = [Constraint(column="datastream_id", value=7)]
    statement = build_page(MODEL_1_1, MODEL_1_1.sets["Observations"], parse_options(pairs), constraints, 1_441)
    with psycopg.connect(dsn, options="-c timezone=UTC -c jit=off") as connection:
        text = b"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) " + statement.sql.as_bytes(connection)
        for (line,) in connection.execute(text, {**PARAMETERS, **statement.values}):
            print("   ", line[:150])


def day_options(rng: np.random.Generator, first_ms: int, rows: int) -> str:
    """A day from a random moment, with a filter by value too."""
    last = max(1, rows // STREAMS * INTERVAL_MS - DAY_MS)
    start = (first_ms + int(rng.integers(0, last))) / 1000
    begin, end = (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(start + offset)) for offset in (0, 86_400))
    return (
        f"$filter=phenomenonTime ge {begin} and phenomenonTime lt {end} and result gt 5"
        "&$orderby=phenomenonTime desc&$top=1440&$select=phenomenonTime,result"
    )


async def time_requests(port: int, paths: list[str]) -> list[float]:
    """Seconds until the first byte of each answer, one after the other."""
    return [await time_request(port, quote(path, safe="/?&=$(),;:'%")) for path in paths]


def summarise(seconds: list[float]) -> str:
    """Median and 99th percentile in ms."""
    return f"median {statistics.median(seconds) * 1000:.1f} ms, p99 {np.quantile(seconds, 0.99) * 1000:.1f} ms"


async def check(port: int, path: str) -> None:
    """Fail unless the answer is a good one."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, verify=False) as client:
        response = await client.get(quote(path, safe="/?&=$(),;:'%"))
    assert response.status_code == 200, response.text[:300]
    assert not response.content.startswith(b"<?xml"), response.text[:300]


async def measure(port: int, api_pid: int, dsn: str, history: tuple[int, int], requests: int) -> None:
    """Print every figure. `history`: number of older rows, and the time of the first one in ms."""
    rows, first_ms = history
    rng = np.random.default_rng(2)
    for name, path in FACES.items():
        await check(port, path.format(n=0))
        distinct = [path.format(n=i + 1) for i in range(9)]
        processor_time = ProcessorTime(api_pid)
        uncached = await time_requests(port, distinct)
        processor = processor_time.ms_per_request(len(distinct))
        cached = await time_requests(port, [distinct[-1]] * 50)
        print(f"{name}: uncached {summarise(uncached)}, {processor:.1f} ms of the API's processor")
        print(f"    cached {summarise(cached)}", flush=True)
    days = [
        f"/sta/v1.1/Datastreams({rng.integers(1, STREAMS + 1)})/Observations?{day_options(rng, first_ms, rows)}"
        for _ in range(requests)
    ]
    await check(port, days[0])
    processor_time = ProcessorTime(api_pid)
    seconds = await time_requests(port, days)
    processor = processor_time.ms_per_request(len(days))
    print(
        f"a day of observations (1,440 of 8,640) among {rows:,} rows: {summarise(seconds)}, {processor:.1f} ms",
        flush=True,
    )
    print_plan(dsn, day_options(rng, first_ms, rows))


def run_api(dsn: str, port: int, broker) -> None:
    """The API, in a separate process."""
    uvloop.run(serve(ApiSettings(port=port), dsn, broker))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--stations", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--requests", type=int, default=100)
    given = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    with tempfile.TemporaryDirectory(prefix="piekwacht-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with Postgres(folder / "postgres", options={"fsync": "off"}) as server, Broker(folder / "broker") as broker:
            dsn = server.create_database("bench")
            migrate(dsn)
            first_ms = (int(time.time()) - given.rows // STREAMS * INTERVAL_MS // 1000 - 3_600) * 1000
            insert_stations(dsn, given.stations)
            started = time.monotonic()
            insert_history(dsn, given.rows, first_ms)
            insert_last_minute(dsn)
            print(f"{given.rows:,} rows in {time.monotonic() - started:.0f} s", flush=True)
            port = find_free_port()
            process = multiprocessing.get_context("spawn").Process(target=run_api, args=(dsn, port, broker.settings))
            process.start()
            try:
                while not is_port_open("127.0.0.1", port):
                    time.sleep(0.1)
                asyncio.run(measure(port, process.pid, dsn, (given.rows, first_ms), given.requests))
            finally:
                process.terminate()
                process.join()
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
