"""How long a backup and a restore take, and whether every row comes back.

python -m tests.benchmarks.backup --rows 10000000
python -m tests.benchmarks.backup --rows 10000000 --dsn "host=... user=postgres"    # TimescaleDB, superuser
"""

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from gateway.store.migrate import migrate
from gateway.system.embedded_servers import Postgres, _programs

SCRIPTS = Path(__file__).parents[2] / "deploy/systemd"
STEP = 2_000_000  # rows filled in one statement, two of them at a time
EVERY = 15.0  # s between lines of progress
# all columns of a real row: a datastream, a second, a value with noise in it, seldom a flag, the batch of ten seconds
FILL = """
    INSERT INTO observation
    SELECT n % 800, timestamptz '2026-11-21' + n / 800 * interval '1 s', 10 + 5 * random(),
           (random() < 0.02)::int * 64, n / 80
    FROM generate_series({begin}::bigint, {end}::bigint - 1) n
"""
INDEX = "SELECT indexdef FROM pg_indexes WHERE indexname = 'observation_by_time'"
# the text of a row tells apart what its equality would not, such as 0.0 and -0.0
DIGEST = "SELECT count(*), sum(hashtextextended(o::text, 0)::numeric) FROM observation o"
COMPRESS = "SELECT count(compress_chunk(c)) FROM show_chunks('observation', older_than => timestamptz '2026-11-22') c"
SIZE = "SELECT pg_database_size(current_database())"
# B a row: both databases with their indexes, the dump, what sorting takes meanwhile; and the log of writing
NEEDED, LOG = 2 * 160 + 20 + 50, 6e9


@contextmanager
def two_databases(dsn: str | None, folder: Path) -> Iterator[tuple[str, str]]:
    """DSNs of two empty databases, on this server or an embedded one."""
    if dsn is None:
        with Postgres(folder, options={"max_wal_size": "4GB"}) as server:  # as timescaledb-tune has it
            yield server.create_database("before"), server.create_database("after")
        return
    names = ("piekwacht_bench_before", "piekwacht_bench_after")
    with psycopg.connect(dsn, autocommit=True) as connection:
        for name in names:
            connection.execute(f"CREATE DATABASE {name}")
        yield tuple(make_conninfo(dsn, dbname=name) for name in names)
        for name in names:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def fill(dsn: str, rows: int, *, afterwards: bool) -> None:
    """`afterwards`: the index is made when all rows are there, which is several times faster."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        index = connection.execute(INDEX).fetchone()[0]
        if afterwards:
            connection.execute("DROP INDEX observation_by_time")
        done = 0
        with ThreadPoolExecutor(2) as both:
            for count in both.map(lambda begin: _step(dsn, begin, min(begin + STEP, rows)), range(0, rows, STEP)):
                done += count
                say(f"{done:,} of {rows:,} rows are there")
        if afterwards:
            connection.execute("SET maintenance_work_mem = '1GB'")
            connection.execute(index)
            say("and their index")
        connection.execute("ANALYZE")


def _step(dsn: str, begin: int, end: int) -> int:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(FILL.format(begin=begin, end=end)).rowcount


def timed(name: str, *arguments: str, of_the_path: bool, progress: Callable[[], str], **environment: str) -> float:
    path = f"{os.environ['PATH']}:{_programs(None)}" if of_the_path else f"{_programs(None)}:{os.environ['PATH']}"
    start = time.monotonic()
    command = [str(SCRIPTS / name), *arguments]
    with subprocess.Popen(command, env={**os.environ, "PATH": path, **environment}) as process:
        while True:
            try:
                code = process.wait(EVERY)
                break
            except subprocess.TimeoutExpired:
                say(f"{name}: {time.monotonic() - start:.0f} s, {progress()}")
    if code:
        raise SystemExit(f"{name} failed")
    return time.monotonic() - start


def size(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        return int(connection.execute(SIZE).fetchone()[0])


def digest(dsn: str) -> tuple[int, int]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(DIGEST).fetchone()


def say(text: str) -> None:
    print(f"  {time.strftime('%H:%M:%S')} {text}", flush=True)


def room(rows: int, folder: Path) -> None:
    free, needed = shutil.disk_usage(folder).free, rows * NEEDED + LOG
    if free < needed:
        raise SystemExit(f"{rows:,} rows need about {needed / 1e9:.0f} GB at {folder}, {free / 1e9:.0f} are free")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dsn", help="of a server with TimescaleDB; its own pg_dump must be the first on PATH")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, backups = Path(name), Path(name) / "backups"
        folder.chmod(0o711)
        backups.mkdir()
        room(given.rows, folder)
        with two_databases(given.dsn, folder) as (before, after):
            migrate(before)
            fill(before, given.rows, afterwards=given.dsn is None)
            if given.dsn:
                print(f"as it came in {size(before) / 1e9:.2f} GB; older chunks made columns:")
                with psycopg.connect(before, autocommit=True) as connection:
                    connection.execute(COMPRESS)
            measure(before, after, backups, of_the_path=bool(given.dsn))


def measure(before: str, after: str, backups: Path, *, of_the_path: bool) -> None:
    def written() -> str:
        return f"{sum(file.stat().st_size for file in backups.iterdir()) / 1e9:.2f} GB written"

    environment = {"PIEKWACHT_DSN": before, "PIEKWACHT_BACKUPS": str(backups)}
    backup = timed("backup", of_the_path=of_the_path, progress=written, **environment)
    (dump,) = backups.glob("*.dump")
    say(f"backup: {backup:.0f} s")
    restore = timed(
        "restore", str(dump), after, of_the_path=of_the_path, progress=lambda: f"{size(after) / 1e9:.2f} GB are back"
    )
    say(f"restore: {restore:.0f} s; now every row on both sides is read")
    found = [digest(dsn) for dsn in (before, after)]
    print(f"{found[0][0]:,} rows: database {size(before) / 1e9:.2f} GB, dump {dump.stat().st_size / 1e9:.2f} GB")
    print(f"backup {backup:.0f} s, restore {restore:.0f} s, row for row equal: {found[0] == found[1]}")
    if found[0] != found[1]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
