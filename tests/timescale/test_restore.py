"""Backup and restore of a real TimescaleDB: chunks, columns, means and policies are restored, and it accepts new data.

Only on the server of PIEKWACHT_TEST_DSN: the one in WebAssembly has a single connection and no COPY.
"""

import os
import subprocess
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from gateway.store import retention
from gateway.store.migrate import check_schema, migrate
from gateway.store.retention import RetentionSettings
from gateway.system.embedded_servers import _locate_programs
from tests.deploy.conftest import DEPLOY
from tests.gateway.enrolled_node import enrol_node

pytestmark = [pytest.mark.timescale, pytest.mark.slow]
OWNER = "piekwacht_owner"
NAMES = ("piekwacht_before", "piekwacht_after")
TABLES = (
    "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('public', 'alerting', 'access')"
)
MEANS = ("observation_1min", "observation_1h", "observation_1day")
CHUNKS = "SELECT chunk_name, range_start, is_compressed FROM timescaledb_information.chunks ORDER BY 1"
JOBS = """SELECT proc_name, schedule_interval, config, hypertable_name FROM timescaledb_information.jobs
          WHERE job_id >= 1000 ORDER BY 1, 4, 3::text"""


@pytest.fixture
def pair(timescale) -> Iterator[tuple[str, str]]:
    """A superuser's DSNs of two empty databases on the server, which belong to an ordinary user."""
    if "PIEKWACHT_TEST_DSN" not in os.environ:
        pytest.skip("backup and restore need a real server: PIEKWACHT_TEST_DSN")
    with psycopg.connect(timescale, autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        for name in NAMES:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"DROP ROLE IF EXISTS {OWNER}")
        connection.execute(f"CREATE ROLE {OWNER} LOGIN")
        for name in NAMES:
            connection.execute(f"CREATE DATABASE {name} OWNER {OWNER}")
        yield tuple(make_conninfo(timescale, dbname=name) for name in NAMES)
        for name in NAMES:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        connection.execute(f"DROP ROLE {OWNER}")


def as_owner(dsn: str) -> str:
    """Return the DSN of the same database for its owner, an ordinary user."""
    return make_conninfo(dsn, options=f"-c role={OWNER}")


@pytest.fixture
def original(pair) -> str:
    """A database of twelve days of readings, eight of them compressed, with means and policies."""
    dsn = as_owner(pair[0])
    migrate(dsn)
    retention.apply_policies(dsn, RetentionSettings(raw_days=400))
    enrol_node(dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        connection.execute(
            "INSERT INTO datastream (station_id, node_id, property_id) VALUES ('wijk-aan-zee', 'ijm-001', 'pm2_5')"
        )
        connection.execute(
            """INSERT INTO observation
               SELECT 1, date_trunc('day', now()) - interval '12 days' + i * interval '20 s', 8 + sin(i), 0, 1
               FROM generate_series(0, 12 * 4320 - 1) AS i"""
        )
        connection.execute(
            "SELECT compress_chunk(c) FROM show_chunks('observation', older_than => interval '4 days') c"
        )
        for view in MEANS:
            connection.execute(f"CALL refresh_continuous_aggregate('{view}', NULL, now())")
    return dsn


def run(script, dsn, *arguments, **environment):
    with psycopg.connect(dsn) as connection:
        major = connection.info.server_version // 10_000
    path = f"/usr/lib/postgresql/{major}/bin:{_locate_programs(None)}:{os.environ['PATH']}"
    return subprocess.run(
        [DEPLOY / "systemd" / script, *map(str, arguments)],
        env={**os.environ, "PATH": path, **environment},
        capture_output=True,
        text=True,
    )


def contents(dsn):
    with psycopg.connect(dsn) as connection:
        names = sorted(row[0] for row in connection.execute(TABLES).fetchall())
        assert names
        return {
            **{
                name: connection.execute(f"SELECT t::text FROM {name} t ORDER BY 1").fetchall()
                for name in [*names, *MEANS]
            },
            "chunks": connection.execute(CHUNKS).fetchall(),
            "jobs": connection.execute(JOBS).fetchall(),
        }


def test_a_restored_database_has_every_row_and_accepts_new_data(original, pair, tmp_path):
    expected = contents(original)
    assert len(expected["public.observation"]) == 12 * 4320
    assert sum(compressed for _, _, compressed in expected["chunks"]) >= 7
    assert {job[0] for job in expected["jobs"]} >= {"policy_compression", "policy_refresh_continuous_aggregate"}
    result = run("backup", original, PIEKWACHT_DSN=original, PIEKWACHT_BACKUPS=str(tmp_path))
    assert result.returncode == 0, result.stderr
    (dump,) = tmp_path.glob("*.dump")
    after = as_owner(pair[1])
    result = run("restore", after, dump, after)
    assert "only a superuser" in result.stderr
    result = run("restore", after, dump, pair[1])
    assert result.returncode == 0, result.stderr
    restored = contents(after)
    assert {table for table in expected if restored[table] != expected[table]} == set()

    check_schema(after)
    with psycopg.connect(after, autocommit=True) as connection:
        assert connection.execute("SHOW timescaledb.restoring").fetchone() == ("off",)
        connection.execute("INSERT INTO observation VALUES (1, now(), 99, 0, 1)")
        connection.execute("CALL refresh_continuous_aggregate('observation_1min', now() - interval '1 h', NULL)")
        assert connection.execute("SELECT max(max) FROM observation_1min").fetchone() == (99,)
        connection.execute(
            "SELECT compress_chunk(c) FROM show_chunks('observation', older_than => interval '2 days') c"
        )
