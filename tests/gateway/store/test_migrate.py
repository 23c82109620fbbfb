"""Migrations: each once, in order, from every earlier schema."""

import psycopg
import pytest

from gateway.errors import StartError
from gateway.store.migrate import (
    Migration,
    SchemaError,
    check_timescale,
    find_pending,
    load_migrations,
    migrate,
    select_for_server,
)


def test_an_empty_database_gets_every_migration_once(empty_database):
    assert migrate(empty_database) == [
        migration.name for migration in select_for_server(load_migrations(), timescale=False)
    ]
    assert migrate(empty_database) == []


def test_check_returns_the_pending_migrations_and_changes_nothing(empty_database):
    assert migrate(empty_database, check=True) == [
        migration.name for migration in select_for_server(load_migrations(), timescale=False)
    ]
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT to_regclass('observation')").fetchone() == (None,)


def test_a_changed_file_is_rejected():
    migration = Migration(name="0001.sql", statements="SELECT 1")
    with pytest.raises(SchemaError, match=r"0001\.sql was changed after it was applied"):
        find_pending([migration], {"0001.sql": "another hash"})


def test_a_newer_database_is_rejected():
    with pytest.raises(SchemaError, match=r"knows migration 0002\.sql, this version does not"):
        find_pending([], {"0002.sql": "hash"})


@pytest.mark.parametrize(
    ("dsn", "message"),
    [
        ("host=127.0.0.1 port=1 dbname=none", "no database: connection"),
        ("this is no dsn", "the DSN cannot be read"),
    ],
)
def test_an_unusable_dsn_is_one_line(dsn, message):
    with pytest.raises(StartError, match=message) as raised:
        migrate(dsn)
    assert "\n" not in str(raised.value)


def migrate_first(dsn, count):
    """Create the schema of an earlier version: the first `count` migrations."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        migrate(dsn, check=True)  # creates schema_migration
        for migration in select_for_server(load_migrations(), timescale=False)[:count]:
            connection.execute(migration.statements.encode())
            row = [migration.name, migration.sha256]
            connection.execute("INSERT INTO schema_migration (name, sha256) VALUES (%s, %s)", row)


def read_schema(dsn):
    with psycopg.connect(dsn) as connection:
        columns = connection.execute(
            """SELECT table_name, column_name, data_type, is_nullable, column_default
               FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2"""
        ).fetchall()
        indexes = connection.execute(
            "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
        ).fetchall()
        constraints = connection.execute(
            """SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint
               WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2"""
        ).fetchall()
    return columns, indexes, constraints


def test_every_earlier_schema_migrates_to_the_newest(postgres, database):
    migrations = select_for_server(load_migrations(), timescale=False)
    for count in range(1, len(migrations)):
        dsn = postgres.create_database(f"released{count}")
        migrate_first(dsn, count)
        assert migrate(dsn) == [migration.name for migration in migrations[count:]]
        assert read_schema(dsn) == read_schema(database)


def test_states_per_datastream_become_states_per_node(empty_database):
    migrate_first(
        empty_database, [m.name < "0065" for m in select_for_server(load_migrations(), timescale=False)].count(True)
    )
    with psycopg.connect(empty_database) as connection:
        connection.execute(
            """INSERT INTO area (id, name, authority, outline) VALUES ('a', 'A', 'OD', '{}');
               INSERT INTO station (id, area_id, name, latitude, longitude) VALUES ('s', 'a', 'S', 52, 4);
               INSERT INTO node (id, area_id, verifier_key) VALUES ('n', 'a', 'k');
               INSERT INTO datastream (station_id, node_id, property_id) VALUES ('s', 'n', 'pm10'), ('s', 'n', 'pm2_5');
               INSERT INTO datastream_state SELECT id, 'quality', convert_to(property_id, 'UTF8') || '!' FROM datastream
               WHERE property_id = 'pm10';
               INSERT INTO datastream_state SELECT id, 'quality', 'pm2_5' FROM datastream WHERE property_id = 'pm2_5'"""
        )
    migrate(empty_database)
    with psycopg.connect(empty_database) as connection:
        states = connection.execute(
            "SELECT node_id, component, cardinality(datastreams), state FROM node_state"
        ).fetchall()
    assert states == [("n", "quality", 2, b"pm10!pm2_5")]


@pytest.mark.parametrize(
    ("version", "is_accepted"),
    [("2.17.2", False), ("1.99", False), ("2.18.0", True), ("2.23.1", True), ("3.0-dev", True)],
)
def test_an_old_timescaledb_is_refused_with_the_remedy(version, is_accepted):
    if is_accepted:
        check_timescale(version)
        return
    with pytest.raises(SchemaError, match=f"the server has TimescaleDB {version}, and 2.18 is the oldest"):
        check_timescale(version)
