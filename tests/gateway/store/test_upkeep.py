"""What is kept for how long on plain PostgreSQL; TimescaleDB's policies are in tests/timescale."""

import psycopg
import pytest

from edge_agent.configuration import ConfigurationError
from gateway import settings
from gateway.store import upkeep
from gateway.store.upkeep import RetentionSettings
from tests.gateway.enrolled import enrol


def fill(dsn: str) -> None:
    enrol(dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            """INSERT INTO batch
               SELECT i, 'ijm-001', 'aaaaaaaaaaaa', i, sha256('x'), 'x', 'boot', 0, 'synced', false, at, at
               FROM generate_series(1, 100) AS i, LATERAL (SELECT now() - i * interval '1 day' AS at)"""
        )
        connection.execute(
            "INSERT INTO observation SELECT 1, now() - i * interval '1 day', i, 0, i FROM generate_series(1, 100) AS i"
        )


def counts(dsn: str) -> tuple[int, ...]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(
            "SELECT (SELECT count(*) FROM observation), count(*), count(*) FILTER (WHERE payload <> '') FROM batch"
        ).fetchone()


def test_by_default_everything_is_kept(database):
    fill(database)
    assert upkeep.prune(database, RetentionSettings()) == (0, 0)
    assert upkeep.apply(database, RetentionSettings()) == []
    assert counts(database) == (100, 100, 100)


def test_what_is_too_old_goes_and_the_hash_of_the_evidence_stays(database):
    fill(database)
    assert upkeep.prune(database, RetentionSettings(raw_days=50, evidence_days=80)) == (51, 21)
    assert counts(database) == (49, 100, 79)
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(DISTINCT sha256) FROM batch").fetchone() == (1,)


def test_a_time_in_which_means_are_still_made_is_refused(tmp_path):
    (tmp_path / "piekwacht.toml").write_text("[database]\ndsn = ''\n[retention]\nraw_days = 20\n")
    with pytest.raises(ConfigurationError, match=r"retention\.raw_days: Expected `int` >= 40"):
        settings.read(tmp_path / "piekwacht.toml")
