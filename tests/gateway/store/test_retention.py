"""Retention on plain PostgreSQL; TimescaleDB's policies are in tests/timescale."""

import psycopg
import pytest

from edge_agent.configuration import ConfigurationError
from gateway import settings
from gateway.store import retention
from gateway.store.retention import PruneResult, RetentionSettings
from tests.gateway.enrolled_node import enrol_node


def fill(dsn: str) -> None:
    enrol_node(dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            """INSERT INTO batch
               SELECT i, 'ijm-001', 'aaaaaaaaaaaa', i, sha256('x'), 'x', 'boot', 0, 'synced', false, at, at
               FROM generate_series(1, 100) AS i, LATERAL (SELECT now() - i * interval '1 day' AS at)"""
        )
        connection.execute(
            "INSERT INTO observation SELECT 1, now() - i * interval '1 day', i, 0, i FROM generate_series(1, 100) AS i"
        )


def prune(dsn: str, retention_settings: RetentionSettings) -> PruneResult:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return retention.prune_old_rows(connection, retention_settings)


def count_rows(dsn: str) -> tuple[int, ...]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(
            "SELECT (SELECT count(*) FROM observation), count(*), count(*) FILTER (WHERE payload <> '') FROM batch"
        ).fetchone()


def test_by_default_nothing_is_deleted(database):
    fill(database)
    assert prune(database, RetentionSettings()) == PruneResult()
    assert retention.apply_policies(database, RetentionSettings()) == []
    assert count_rows(database) == (100, 100, 100)


def test_old_data_are_deleted_and_the_hashes_of_batches_stay(database):
    fill(database)
    assert prune(database, RetentionSettings(raw_days=50, evidence_days=80)) == PruneResult(observations=51, batches=21)
    assert count_rows(database) == (49, 100, 79)
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(DISTINCT sha256) FROM batch").fetchone() == (1,)


def test_less_than_40_days_is_rejected(tmp_path):
    (tmp_path / "piekwacht.toml").write_text("[database]\ndsn = ''\n[retention]\nraw_days = 20\n")
    with pytest.raises(ConfigurationError, match=r"retention\.raw_days: Expected `int` >= 40"):
        settings.read(tmp_path / "piekwacht.toml")


def test_results_of_shadow_and_selftest_have_their_own_retention(database):
    fill(database)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("""
            INSERT INTO shadow_event
            SELECT 'calmer', i::text, 1, 'd', 'opened', 'peak', (SELECT min(id) FROM station),
                   (SELECT min(id) FROM observed_property), at, NULL, at, '{}'
            FROM generate_series(1, 100) AS i, LATERAL (SELECT now() - i * interval '1 day' AS at)""")
        hours = "FROM generate_series(1, 100) AS i, LATERAL (SELECT now() - i * interval '1 day' AS hour)"
        connection.execute(f"INSERT INTO selftest_hour (area_id, detector, hour) SELECT 'ijmond', 'd', hour {hours}")
        connection.execute("INSERT INTO selftest_hour VALUES ('ijmond', 'older', now() - interval '99 days')")
        connection.execute("""
            INSERT INTO selftest_peak SELECT area_id, detector, hour, copy, (SELECT min(id) FROM observed_property),
                (SELECT min(id) FROM station), 1, hour, hour, 1, 1, 1, 'found', NULL, 1, 1
            FROM selftest_hour, generate_series(1, 4) copy""")
        connection.execute(
            "INSERT INTO selftest_exposure SELECT area_id, detector, hour, "
            "(SELECT min(id) FROM observed_property), 1, 1, 0, 0 FROM selftest_hour"
        )
    pruned = prune(database, RetentionSettings(shadow_days=50, selftest_days=80))
    assert pruned == PruneResult(shadow_events=51, selftest_hours=21)
    with psycopg.connect(database) as connection:
        remaining = connection.execute(
            "SELECT (SELECT count(*) FROM shadow_event), (SELECT count(*) FROM selftest_hour),"
            " (SELECT count(*) FROM selftest_peak), (SELECT count(*) FROM selftest_exposure),"
            " (SELECT count(*) FROM selftest_hour WHERE detector = 'older')"
        ).fetchone()
    assert remaining == (49, 80, 320, 80, 1)


def test_sent_notifications_cannot_be_changed_or_deleted(database):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("INSERT INTO alerting.sent VALUES (sha256('text'), 'text')")
        for change in ("DELETE FROM alerting.sent", "UPDATE alerting.sent SET content = ''", "TRUNCATE alerting.sent"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="is a record"):
                connection.execute(change)
