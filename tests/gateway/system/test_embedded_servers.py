"""The embedded PostgreSQL starts again at once after its postmaster was killed, whatever its processes still do."""

import os
import signal
import threading
import time
from contextlib import suppress

import psycopg
import pytest

from gateway.errors import StartError
from gateway.system.embedded_servers import Postgres
from tests.waiting import wait_until

BUSY_SECONDS = 2.5
# A process that computes notices neither a signal of its dead parent nor the end of its connection.
COMPUTE = f"""
DO $$ DECLARE ends timestamptz := clock_timestamp() + interval '{BUSY_SECONDS} s';
BEGIN WHILE clock_timestamp() < ends LOOP NULL; END LOOP; END $$
"""


def count_refused_starts(folder):
    return (folder / "postgres.log").read_text().count("pre-existing shared memory block")


def compute(dsn):
    with suppress(psycopg.OperationalError), psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(COMPUTE)


def is_computing(dsn):
    with psycopg.connect(dsn) as connection:
        running = (
            "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%DO $$%' AND pid <> pg_backend_pid()"
        )
        return connection.execute(running).fetchone()


def test_a_server_waits_for_the_processes_of_a_killed_one_and_then_starts(open_folder):
    server = Postgres(open_folder)
    dsn = server.create_database("piekwacht")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE stored AS SELECT 1 AS value")
    client = threading.Thread(target=compute, args=[dsn])
    client.start()
    wait_until(lambda: is_computing(dsn), 10)
    os.kill(server.pid, signal.SIGKILL)
    server.stop()
    started_at = time.monotonic()
    with Postgres(open_folder) as restarted, psycopg.connect(restarted.dsn("piekwacht")) as connection:
        assert connection.execute("SELECT value FROM stored").fetchall() == [(1,)]
        seconds = time.monotonic() - started_at
    client.join()
    assert count_refused_starts(open_folder) >= 1, "no process of the killed server was left: the test shows nothing"
    assert seconds < BUSY_SECONDS + 10


def test_a_server_that_cannot_start_gives_its_reason_at_once(open_folder):
    Postgres(open_folder).stop()
    (open_folder / "postgres" / "postgresql.conf").write_text("no_such_parameter = 1\n")
    started_at = time.monotonic()
    with pytest.raises(StartError, match="no_such_parameter"):
        Postgres(open_folder)
    assert time.monotonic() - started_at < 10
