"""How long an upgrade computes all means anew, and whether readings are stored meanwhile. Run as a module.

python -m tests.benchmarks.rebuild --dsn DSN [--rows 100000000]

The DSN names an empty database of a server with TimescaleDB. It gets the schema of the version before, and that many
observations with their means. Then `piekwacht migrate` runs, while a writer commits micro-batches and a reader asks
for a day of one station.
"""

import argparse
import json
import statistics
import threading
import time
from collections.abc import Callable

import numpy as np
import psycopg

from gateway.store.connection import QUERIES, connect
from gateway.store.copy_observations import encode_observations
from gateway.store.migrate import load_migrations, migrate, select_for_server
from tests.benchmarks.among_many import DAY, FIRST, STREAMS, insert_observations

LAST_MIGRATION_BEFORE = "0099"
MICRO_BATCH = 12_000  # rows


def create_earlier_schema(dsn: str) -> None:
    """The schema before the means of valid values, as `migrate` of that version left it."""
    migrate(dsn, check=True)  # creates the table of applied migrations
    with connect(dsn) as connection:
        for migration in select_for_server(load_migrations(), timescale=True):
            if migration.name < LAST_MIGRATION_BEFORE:
                with connection.transaction():
                    connection.execute(migration.statements.encode())
                    connection.execute(
                        "INSERT INTO schema_migration (name, sha256) VALUES (%s, %s)",
                        [migration.name, migration.sha256],
                    )


def fill_earlier_means(dsn: str) -> None:
    with connect(dsn) as connection:
        for view in ("observation_1min", "observation_1h"):
            connection.execute(f"CALL refresh_continuous_aggregate('{view}', NULL, NULL)")


def store_micro_batch(connection: psycopg.Connection, number: int) -> None:
    """Readings of this moment: of all datastreams, a second apart."""
    readings = MICRO_BATCH // STREAMS
    rows = encode_observations(
        np.repeat(np.arange(1, STREAMS + 1), readings),
        int(time.time() * 1000) + np.tile(np.arange(readings) * 1000, STREAMS),
        np.full(MICRO_BATCH, 10.0),
        np.zeros(MICRO_BATCH, np.int32),
        np.full(MICRO_BATCH, 10**8 + number),
    )
    with connection.transaction(), connection.cursor().copy(QUERIES["copy_observations"]) as out:
        out.write(rows)


def read_day(connection: psycopg.Connection, number: int) -> None:
    connection.execute(
        "SELECT * FROM means_1min(ARRAY[%s::int], to_timestamp(%s), to_timestamp(%s))",
        [number % STREAMS + 1, FIRST / 1000, (FIRST + DAY) / 1000],
    ).fetchall()


class Repeated:
    """Repeats an action on a connection until stopped, and measures each."""

    def __init__(self, dsn: str, action: Callable[[psycopg.Connection, int], None], interval: float) -> None:
        self.seconds: list[float] = []
        self._dsn, self._action, self._interval, self._stop = dsn, action, interval, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            while not self._stop.wait(self._interval):
                began = time.perf_counter()
                self._action(connection, len(self.seconds))
                self.seconds.append(time.perf_counter() - began)

    def stop(self) -> dict[str, float]:
        self._stop.set()
        self._thread.join()
        return {
            "count": len(self.seconds),
            "median_seconds": round(statistics.median(self.seconds), 3),
            "p99_seconds": round(float(np.quantile(self.seconds, 0.99)), 3),
            "longest_seconds": round(max(self.seconds), 3),
        }


def main() -> None:
    """Print the result as one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--rows", type=int, default=100_000_000)
    arguments = parser.parse_args()
    create_earlier_schema(arguments.dsn)
    insert_observations(arguments.dsn, arguments.rows)
    fill_earlier_means(arguments.dsn)
    alone = Repeated(arguments.dsn, store_micro_batch, 0.2)
    time.sleep(20)
    writes_before = alone.stop()
    writer = Repeated(arguments.dsn, store_micro_batch, 0.2)
    reader = Repeated(arguments.dsn, read_day, 1.0)
    began = time.perf_counter()
    migrate(arguments.dsn)
    seconds = time.perf_counter() - began
    result = {
        "rows": arguments.rows,
        "seconds": round(seconds, 1),
        "seconds_per_million_rows": round(seconds / arguments.rows * 1e6, 2),
        "writes_before": writes_before,
    }
    print(json.dumps({**result, "writes": writer.stop(), "reads": reader.stop()}))


if __name__ == "__main__":
    main()
