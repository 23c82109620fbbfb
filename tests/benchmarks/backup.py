"""How long a backup and a restore take, and whether every row comes back.

python -m tests.benchmarks.backup --rows 10000000
python -m tests.benchmarks.backup --rows 10000000 --dsn "host=... user=postgres"    # TimescaleDB, superuser
"""

import argparse
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from gateway.embedded import Postgres, _programs
from gateway.store.migrate import migrate

SCRIPTS = Path(__file__).parents[2] / "deploy/systemd"
# all columns of a real row: a datastream, a second, a value with noise in it, seldom a flag, the batch of ten seconds
FILL = """
    INSERT INTO observation
    SELECT n % 800, timestamptz '2026-11-21' + n / 800 * interval '1 s', 10 + 5 * random(),
           (random() < 0.02)::int * 64, n / 80
    FROM generate_series(0, {rows} - 1) n
"""
DIGEST = "SELECT count(*), sum(hashtextextended(o::text, 0)::numeric) FROM observation o"


COMPRESS = "SELECT count(compress_chunk(c)) FROM show_chunks('observation', older_than => timestamptz '2026-11-22') c"
SIZE = "SELECT pg_database_size(current_database())"


@contextmanager
def two_databases(dsn: str | None, folder: Path) -> Iterator[tuple[str, str]]:
    """DSNs of two empty databases, on this server or an embedded one."""
    if dsn is None:
        with Postgres(folder, options={"max_wal_size": "4GB"}) as server:
            yield server.create_database("before"), server.create_database("after")
        return
    names = ("piekwacht_bench_before", "piekwacht_bench_after")
    with psycopg.connect(dsn, autocommit=True) as connection:
        for name in names:
            connection.execute(f"CREATE DATABASE {name}")
        yield tuple(make_conninfo(dsn, dbname=name) for name in names)
        for name in names:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def timed(name: str, *arguments: str, of_the_path: bool, **environment: str) -> float:
    path = f"{os.environ['PATH']}:{_programs(None)}" if of_the_path else f"{_programs(None)}:{os.environ['PATH']}"
    start = time.monotonic()
    subprocess.run([SCRIPTS / name, *arguments], check=True, env={**os.environ, "PATH": path, **environment})
    return time.monotonic() - start


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dsn", help="of a server with TimescaleDB; its own pg_dump must be the first on PATH")
    given = parser.parse_args()
    rows = given.rows
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        backups = Path(folder) / "backups"
        backups.mkdir()
        with two_databases(given.dsn, Path(folder)) as (before, after):
            migrate(before)
            with psycopg.connect(before, autocommit=True) as connection:
                connection.execute(FILL.format(rows=rows))
                size = connection.execute(SIZE).fetchone()[0]
                if given.dsn:
                    connection.execute(COMPRESS)
                    print(f"as it came in {size / 1e9:.2f} GB; older chunks made columns:")
                    size = connection.execute(SIZE).fetchone()[0]
            backup = timed("backup", of_the_path=bool(given.dsn), PIEKWACHT_DSN=before, PIEKWACHT_BACKUPS=str(backups))
            (dump,) = backups.glob("*.dump")
            dumped = dump.stat().st_size
            restore = timed("restore", str(dump), after, of_the_path=bool(given.dsn))
            found = [psycopg.connect(dsn).execute(DIGEST).fetchone() for dsn in (before, after)]
    print(f"{rows} rows: database {size / 1e9:.2f} GB, dump {dumped / 1e9:.2f} GB")
    print(f"backup {backup:.0f} s, restore {restore:.0f} s, row for row equal: {found[0] == found[1]}")


if __name__ == "__main__":
    main()
