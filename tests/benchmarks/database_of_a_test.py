"""What the database of one test costs: python -m tests.benchmarks.database_of_a_test [--folder /tmp] [--count 80]

Prints the processor time to make, open and drop it, of the server and of this process. A server without such databases
is subtracted. Without --folder the data is where the tests have it.
"""

import argparse
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

import psycopg

from gateway.store.migrate import migrate
from gateway.system.embedded_servers import Postgres
from tests.conftest import POSTGRES_OPTIONS, temporary_database
from tests.server_folder import server_folder


def measure(parent: Path | None, count: int) -> float:
    """Processor time in s of a server and `count` databases one after the other."""
    before = sum(os.times()[:4])
    with ExitStack() as stack:
        if parent is None:
            folder = stack.enter_context(server_folder("piekwacht-bench-"))
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="piekwacht-bench-", dir=parent)))
            folder.chmod(0o755)
        server = stack.enter_context(Postgres(folder, options=POSTGRES_OPTIONS))
        migrate(server.create_database("migrated"))
        for _ in range(count):
            with temporary_database(server, template="migrated") as dsn, psycopg.connect(dsn) as connection:
                connection.execute("SELECT count(*) FROM area")
    return sum(os.times()[:4]) - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--count", type=int, default=80)
    arguments = parser.parse_args()
    seconds = (measure(arguments.folder, arguments.count) - measure(arguments.folder, 0)) / arguments.count
    print(f"{seconds:.3f} s of processor time per database")


if __name__ == "__main__":
    main()
