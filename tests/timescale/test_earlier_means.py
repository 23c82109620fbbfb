"""An upgrade of a database with readings that were deleted, and others that no refresh has seen: both means are right.

Only on the server of PIEKWACHT_TEST_DSN: the one in WebAssembly has a single database.
"""

import os

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from gateway.store.connection import connect
from gateway.store.migrate import migrate
from tests.benchmarks.rebuild import create_earlier_schema

pytestmark = [pytest.mark.timescale, pytest.mark.slow]
NAME = "piekwacht_earlier"
HOURS = "SELECT sum(count), sum(mean * valid_count) / sum(valid_count) FROM means_1h('{1}', %s, %s)"


@pytest.fixture
def earlier_database(timescale):
    """A database of the schema before the means of valid values."""
    if "PIEKWACHT_TEST_DSN" not in os.environ:
        pytest.skip("a second database needs a real server: PIEKWACHT_TEST_DSN")
    with psycopg.connect(timescale, autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        connection.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {NAME}")
        dsn = make_conninfo(timescale, dbname=NAME)
        create_earlier_schema(dsn)
        yield dsn
        connection.execute(f"DROP DATABASE {NAME} WITH (FORCE)")


def insert(connection, day, value):
    connection.execute(
        """INSERT INTO observation SELECT 1, %s::timestamptz + i * interval '1 min', %s, 0, 1
           FROM generate_series(0, 119) AS i""",
        [day, value],
    )


def test_means_of_deleted_and_of_never_refreshed_readings_survive_the_upgrade(earlier_database):
    with connect(earlier_database) as connection:
        connection.execute("SET client_min_messages = warning")
        insert(connection, "2026-06-01 10:00Z", 5)
        for view in ("observation_1min", "observation_1h"):
            connection.execute(f"CALL refresh_continuous_aggregate('{view}', NULL, '2026-06-03')")
        insert(connection, "2026-08-01 10:00Z", 7)  # newer than all that is refreshed
        connection.execute("SELECT drop_chunks('observation', older_than => timestamptz '2026-07-01')")
    migrate(earlier_database)
    with connect(earlier_database) as connection:
        assert connection.execute("SELECT count(*) FROM observation").fetchone() == (120,)
        assert connection.execute(HOURS, ["2026-06-01", "2026-06-02"]).fetchone() == (120, 5.0)
        assert connection.execute(HOURS, ["2026-08-01", "2026-08-02"]).fetchone() == (120, 7.0)
