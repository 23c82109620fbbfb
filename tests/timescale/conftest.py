"""A real TimescaleDB: the server of PIEKWACHT_TEST_DSN, or one in WebAssembly from npm.

The latter is PostgreSQL 17 with TimescaleDB 2.23 on a single connection, without COPY; it is pinned by a lock
file and used for tests only.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from gateway.store.migrate import migrate
from gateway.system.child_process import Child, find_free_port, is_port_open
from tests.npm import link_packages

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def timescale(tmp_path_factory) -> Iterator[str]:
    """DSN of an empty database with TimescaleDB."""
    dsn = os.environ.get("PIEKWACHT_TEST_DSN")
    if dsn:
        yield dsn
        return
    node = shutil.which("node")
    if node is None:
        pytest.skip("TimescaleDB in WebAssembly needs npm and node; or set PIEKWACHT_TEST_DSN")
    folder = tmp_path_factory.mktemp("timescale")
    shutil.copy(HERE / "server.mjs", folder)
    link_packages(HERE, folder)
    port = find_free_port()
    with Child("TimescaleDB", [node, folder / "server.mjs", str(port)], log=folder / "log") as server:
        server.wait_until(
            lambda: "ready" in (folder / "log").read_text() and is_port_open("127.0.0.1", port), timeout=60
        )
        yield f"host=127.0.0.1 port={port} user=postgres password=any dbname=postgres sslmode=disable"


@pytest.fixture(scope="session")
def migrated(timescale) -> str:
    """The same database with our schema; a second migration does nothing."""
    assert "0003_means.timescale.sql" in migrate(timescale)
    assert migrate(timescale) == []
    return timescale


@pytest.fixture
def hypertable(migrated) -> Iterator[psycopg.Connection]:
    """The only connection, in a transaction that is rolled back."""
    with psycopg.connect(migrated, prepare_threshold=None) as connection:
        # tests that commit leave empty chunks
        connection.execute("SET LOCAL client_min_messages = warning")
        connection.execute("SELECT drop_chunks('observation', older_than => timestamptz '2100-01-01')")
        yield connection
        connection.rollback()
