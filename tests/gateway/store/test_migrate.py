import psycopg
import pytest

from gateway.errors import StartError
from gateway.store.migrate import Migration, SchemaError, meant_for, migrate, pending, shipped


def test_a_fresh_database_gets_every_migration_once(empty_database):
    assert migrate(empty_database) == [migration.name for migration in meant_for(shipped(), timescale=False)]
    assert migrate(empty_database) == []


def test_check_names_what_would_run_and_changes_nothing(empty_database):
    assert migrate(empty_database, check=True) == [
        migration.name for migration in meant_for(shipped(), timescale=False)
    ]
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT to_regclass('observation')").fetchone() == (None,)


def test_a_changed_file_is_refused():
    one = Migration(name="0001.sql", statements="SELECT 1")
    with pytest.raises(SchemaError, match=r"0001\.sql was changed after it was applied"):
        pending([one], {"0001.sql": "another hash"})


def test_a_database_one_version_too_new_is_refused():
    with pytest.raises(SchemaError, match=r"knows migration 0002\.sql, this version does not"):
        pending([], {"0002.sql": "hash"})


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
