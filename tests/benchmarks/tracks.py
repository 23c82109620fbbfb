"""The cost of tracks: to follow a long ride, to read it, and to show the cells of an area.

python -m tests.benchmarks.tracks [--hours 2] [--cells 19000] [--passes 50]

A real PostgreSQL and the API in this process. The ride has a position a second and six properties. A turn of the
follower reads the newest ten seconds and cuts the whole ride again. The passes of a cell are on ten days.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psycopg

from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.ingest.pipeline import Pipeline
from gateway.quality.flagger import Flagger
from gateway.store.connection import Store
from gateway.store.migrate import migrate
from gateway.system.embedded_servers import Broker, Postgres
from gateway.tracks.follower import run_turn
from tests.gateway.api.conftest import running_api
from tests.gateway.enrolled_node import T0, enrol_node
from tests.gateway.tracks.rides import enrol_vehicle, ride_east

PROPERTIES = ("pm1", "pm2_5", "pm4", "pm10", "voc_raw", "temperature")
TURNS = 9


async def drive(dsn: str, seconds: int) -> list[float]:
    """Store the ride, and return the seconds of each of the last turns."""
    enrol_node(dsn)
    car = enrol_vehicle(dsn)
    ride, store = ride_east(seconds, speed=8.0), Store(dsn)
    pipeline = Pipeline(store, Flagger(), Detector(DetectionSettings()))
    rng, turns = np.random.default_rng(1), []
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        starts = [*range(0, seconds - 10 * TURNS, 500), *range(seconds - 10 * TURNS, seconds, 10)]
        for number, (start, end) in enumerate(zip(starts, [*starts[1:], seconds], strict=True), 1):
            part = ride[start:end]
            places = zip(part.latitude.tolist(), part.longitude.tolist(), part.altitude.tolist(), strict=True)
            payload = car.payload(
                number,
                t0=int(part.times[0]),
                dt=(part.times - part.times[0]).tolist(),
                values={name: rng.normal(20, 2, len(part)).tolist() for name in PROPERTIES},
                pos=list(places),
                received_at=datetime.fromtimestamp(int(part.times[-1]) / 1000 + 2, UTC),
            )
            await pipeline.process([payload])
            if end <= seconds - 10 * TURNS and number % 5:
                continue
            began = time.perf_counter()
            await run_turn(connection, ["*"])
            turns.append(time.perf_counter() - began)
    await store.close()
    return turns[-TURNS:]


def insert_passes(dsn: str, cells: int, passes: int) -> None:
    """Passes through a square of cells, on ten days."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            """INSERT INTO cell_pass
               SELECT t.id, 'ijmond', 'pm2_5', 116740 + c / 150, 6224 + c %% 150,
                      to_timestamp(%s + p %% 10 * 86400)::date, 5,
                      10 + random() * 5, 9
               FROM (SELECT id FROM track LIMIT 1) t, generate_series(0, %s) c, generate_series(1, %s) p""",
            [T0 / 1000, cells - 1, passes],
        )
        connection.execute("VACUUM ANALYZE cell_pass")


async def measure(dsn: str, broker, options: argparse.Namespace) -> None:
    """Print every figure."""
    turns = await drive(dsn, options.hours * 3_600)
    print(
        f"a turn of the follower, ride of {options.hours} h: median {statistics.median(turns) * 1000:.0f} ms",
        flush=True,
    )
    insert_passes(dsn, options.cells, options.passes)
    async with running_api(dsn, broker) as (client, _):
        (item, *_) = (await client.get("/api/v1/tracks")).json()["items"]
        for name, path in (
            ("the ride, one property", f"/api/v1/tracks/{item['id']}?property=pm2_5"),
            ("the ride, all properties", f"/api/v1/tracks/{item['id']}"),
            (f"{options.cells:,} cells of {options.passes} passes", "/api/v1/grid-cells?area=ijmond"),
        ):
            seconds = []
            for _ in range(5):
                began = time.perf_counter()
                answer = await client.get(path)
                seconds.append(time.perf_counter() - began)
                assert answer.status_code == 200, answer.text[:200]
            print(
                f"{name}: uncached {seconds[0] * 1000:.0f} ms, cached {min(seconds) * 1000:.1f} ms, "
                f"{len(answer.content) / 1e6:.1f} MB",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--hours", type=int, default=2)
    parser.add_argument("--cells", type=int, default=19_000)
    parser.add_argument("--passes", type=int, default=50)
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    with tempfile.TemporaryDirectory(prefix="piekwacht-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with Postgres(folder / "postgres", options={"fsync": "off"}) as server, Broker(folder / "broker") as broker:
            dsn = server.create_database("bench")
            migrate(dsn)
            asyncio.run(measure(dsn, broker.settings, options))
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
