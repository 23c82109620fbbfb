import psycopg
import pytest

from gateway.errors import StartError
from gateway.store.migrate import Migration, SchemaError, find_pending, load_migrations, migrate, select_for_server


def test_a_fresh_database_gets_every_migration_once(empty_database):
    assert migrate(empty_database) == [
        migration.name for migration in select_for_server(load_migrations(), timescale=False)
    ]
    assert migrate(empty_database) == []


def test_check_names_what_would_run_and_changes_nothing(empty_database):
    assert migrate(empty_database, check=True) == [
        migration.name for migration in select_for_server(load_migrations(), timescale=False)
    ]
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT to_regclass('observation')").fetchone() == (None,)


def test_a_changed_file_is_refused():
    one = Migration(name="0001.sql", statements="SELECT 1")
    with pytest.raises(SchemaError, match=r"0001\.sql was changed after it was applied"):
        find_pending([one], {"0001.sql": "another hash"})


def test_a_database_one_version_too_new_is_refused():
    with pytest.raises(SchemaError, match=r"knows migration 0002\.sql, this version does not"):
        find_pending([], {"0002.sql": "hash"})


@pytest.mark.parametrize(
    ("dsn", "words"),
    [
        ("host=127.0.0.1 port=1 dbname=none", "no database: connection"),
        ("this is no dsn", "the DSN cannot be read"),
    ],
)
def test_an_unusable_dsn_is_one_line(dsn, words):
    with pytest.raises(StartError, match=words) as raised:
        migrate(dsn)
    assert "\n" not in str(raised.value)


def as_released(dsn, count):
    """A database as a version with so many migrations left it."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        migrate(dsn, check=True)  # makes its own table
        for migration in select_for_server(load_migrations(), timescale=False)[:count]:
            connection.execute(migration.statements.encode())
            row = [migration.name, migration.sha256]
            connection.execute("INSERT INTO schema_migration (name, sha256) VALUES (%s, %s)", row)


def schema(dsn):
    with psycopg.connect(dsn) as connection:
        columns = connection.execute(
            """SELECT table_name, column_name, data_type, is_nullable, column_default
               FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2"""
        ).fetchall()
        indexes = connection.execute(
            "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
        ).fetchall()
        rules = connection.execute(
            """SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint
               WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2"""
        ).fetchall()
    return columns, indexes, rules


def test_every_earlier_schema_becomes_the_newest(postgres, database):
    everything = select_for_server(load_migrations(), timescale=False)
    for count in range(1, len(everything)):
        dsn = postgres.create_database(f"released{count}")
        as_released(dsn, count)
        assert migrate(dsn) == [migration.name for migration in everything[count:]]
        assert schema(dsn) == schema(database)


def test_states_that_were_kept_by_datastream_are_kept_by_node(empty_database):
    as_released(
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
        kept = connection.execute(
            "SELECT node_id, component, cardinality(datastreams), state FROM node_state"
        ).fetchall()
    assert kept == [("n", "quality", 2, b"pm10!pm2_5")]
