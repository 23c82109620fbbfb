"""A day of one-minute values of one station among a hundred million observations. Run as a module.

python -m tests.benchmarks.among_many [--rows 100000000] [--folder DIR | --dsn DSN]

2,000 datastreams with a reading each ten seconds, in the order in which their batches arrive, so that a day of one of
them lies scattered over the whole table. A folder is filled once and measured as often as one likes.
"""

import argparse
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import psycopg

from gateway.store.connection import QUERIES, connect
from gateway.store.copy_observations import encode_observations
from gateway.store.migrate import migrate
from gateway.system.embedded_servers import Postgres

STREAMS, INTERVAL, READINGS_PER_BATCH = 2_000, 10_000, 6  # datastreams, ms, readings
FIRST = 1_793_000_000_000  # ms UTC
DAY = 86_400_000
QUERY_COUNT = 300


def insert_observations(dsn: str, rows: int) -> None:
    rng, turn = np.random.default_rng(1), STREAMS * READINGS_PER_BATCH
    with connect(dsn) as connection:
        done = connection.execute("SELECT count(*) FROM (SELECT FROM observation LIMIT %s) o", [rows]).fetchone()[0]
        for number in range(done // turn, rows // turn, 10):
            turns = np.arange(number, number + 10)
            began = np.repeat(turns * READINGS_PER_BATCH * INTERVAL, turn)
            stream = encode_observations(
                np.tile(np.repeat(np.arange(1, STREAMS + 1), READINGS_PER_BATCH), 10),
                FIRST + began + np.tile(np.arange(READINGS_PER_BATCH) * INTERVAL, STREAMS * 10),
                rng.normal(10, 1, turn * 10),
                np.zeros(turn * 10, np.int32),
                np.repeat(turns, turn),
            )
            with connection.transaction(), connection.cursor().copy(QUERIES["copy_observations"]) as out:
                out.write(stream)
            if number % 1_000 == 0:
                print(f"{number * turn / 1e6:.0f} million", flush=True)
        connection.execute("VACUUM ANALYZE observation")


def time_queries(dsn: str, rows: int) -> list[float]:
    """Seconds of each of so many days, of a datastream and from a moment chosen at random."""
    rng, last = np.random.default_rng(2), rows // STREAMS * INTERVAL - DAY
    taken = []
    with psycopg.connect(dsn, autocommit=True) as connection:
        for _ in range(QUERY_COUNT):
            id_, since = int(rng.integers(1, STREAMS + 1)), (FIRST + int(rng.integers(0, last))) // 60_000 * 60
            began = time.perf_counter()
            found = connection.execute(
                "SELECT * FROM means_1min(ARRAY[%s::int], to_timestamp(%s), to_timestamp(%s))",
                [id_, since, since + DAY // 1000],
            ).fetchall()
            taken.append(time.perf_counter() - began)
            assert len(found) == DAY // 60_000, len(found)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--dsn")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="piekwacht-bench-")))
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
        dsn = given.dsn or stack.enter_context(Postgres(folder)).create_database("bench")
        migrate(dsn)
        insert_observations(dsn, given.rows)
        taken = time_queries(dsn, given.rows)
    print(
        f"a day of one-minute values among {given.rows / 1e6:.0f} million observations: "
        f"median {statistics.median(taken) * 1000:.1f} ms, p99 {np.quantile(taken, 0.99) * 1000:.1f} ms"
    )


if __name__ == "__main__":
    main()
