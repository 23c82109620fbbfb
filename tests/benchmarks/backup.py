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
from gateway.system.embedded_servers import Postgres, _locate_programs

SCRIPTS = Path(__file__).parents[2] / "deploy/systemd"
STEP = 2_000_000  # rows filled in one statement, two of them at a time
PROGRESS_SECONDS = 15.0  # s between lines of progress
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
BYTES_PER_ROW, WAL_BYTES = 2 * 160 + 20 + 50, 6e9


@contextmanager
def create_databases(dsn: str | None, folder: Path) -> Iterator[tuple[str, str]]:
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


def insert_observations(dsn: str, rows: int, *, index_last: bool) -> None:
    """`afterwards`: the index is made when all rows are there, which is several times faster."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        index = connection.execute(INDEX).fetchone()[0]
        if index_last:
            connection.execute("DROP INDEX observation_by_time")
        row_count = 0
        with ThreadPoolExecutor(2) as pool:
            for count in pool.map(
                lambda begin: _insert_step(dsn, begin, min(begin + STEP, rows)), range(0, rows, STEP)
            ):
                row_count += count
                print_progress(f"{row_count:,} of {rows:,} rows are there")
        if index_last:
            connection.execute("SET maintenance_work_mem = '1GB'")
            connection.execute(index)
            print_progress("and their index")
        connection.execute("ANALYZE")


def _insert_step(dsn: str, begin: int, end: int) -> int:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(FILL.format(begin=begin, end=end)).rowcount


def time_script(name: str, *arguments: str, path_first: bool, progress: Callable[[], str], **environment: str) -> float:
    path = (
        f"{os.environ['PATH']}:{_locate_programs(None)}"
        if path_first
        else f"{_locate_programs(None)}:{os.environ['PATH']}"
    )
    started = time.monotonic()
    command = [str(SCRIPTS / name), *arguments]
    with subprocess.Popen(command, env={**os.environ, "PATH": path, **environment}) as process:
        while True:
            try:
                code = process.wait(PROGRESS_SECONDS)
                break
            except subprocess.TimeoutExpired:
                print_progress(f"{name}: {time.monotonic() - started:.0f} s, {progress()}")
    if code:
        raise SystemExit(f"{name} failed")
    return time.monotonic() - started


def read_size(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        return int(connection.execute(SIZE).fetchone()[0])


def compute_digest(dsn: str) -> tuple[int, int]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(DIGEST).fetchone()


def print_progress(text: str) -> None:
    print(f"  {time.strftime('%H:%M:%S')} {text}", flush=True)


def check_free_space(rows: int, folder: Path) -> None:
    free, needed = shutil.disk_usage(folder).free, rows * BYTES_PER_ROW + WAL_BYTES
    if free < needed:
        raise SystemExit(f"{rows:,} rows need about {needed / 1e9:.0f} GB at {folder}, {free / 1e9:.0f} are free")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dsn", help="of a server with TimescaleDB; its own pg_dump must be the first on PATH")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, backups = Path(name), Path(name) / "backups"
        folder.chmod(0o711)
        backups.mkdir()
        check_free_space(options.rows, folder)
        with create_databases(options.dsn, folder) as (before, after):
            migrate(before)
            insert_observations(before, options.rows, index_last=options.dsn is None)
            if options.dsn:
                print(f"as it came in {read_size(before) / 1e9:.2f} GB; older chunks made columns:")
                with psycopg.connect(before, autocommit=True) as connection:
                    connection.execute(COMPRESS)
            measure(before, after, backups, path_first=bool(options.dsn))


def measure(before: str, after: str, backups: Path, *, path_first: bool) -> None:
    def progress_text() -> str:
        return f"{sum(file.stat().st_size for file in backups.iterdir()) / 1e9:.2f} GB written"

    environment = {"PIEKWACHT_DSN": before, "PIEKWACHT_BACKUPS": str(backups)}
    backup = time_script("backup", path_first=path_first, progress=progress_text, **environment)
    (dump,) = backups.glob("*.dump")
    print_progress(f"backup: {backup:.0f} s")
    restore = time_script(
        "restore", str(dump), after, path_first=path_first, progress=lambda: f"{read_size(after) / 1e9:.2f} GB are back"
    )
    print_progress(f"restore: {restore:.0f} s; now every row on both sides is read")
    digests = [compute_digest(dsn) for dsn in (before, after)]
    print(f"{digests[0][0]:,} rows: database {read_size(before) / 1e9:.2f} GB, dump {dump.stat().st_size / 1e9:.2f} GB")
    print(f"backup {backup:.0f} s, restore {restore:.0f} s, row for row equal: {digests[0] == digests[1]}")
    if digests[0] != digests[1]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
