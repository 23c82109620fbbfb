"""Bring a database to the newest schema: forward only, one transaction a file, in the order of names.

`*.timescale.sql` runs where the server has TimescaleDB, `*.plain.sql` where it has not: both leave the
same names and columns behind, so that nothing above the store can tell which it is.

Each applied file is kept with its hash: a file that was changed after it was applied is an error,
not a surprise. An advisory lock lets several processes start at once. Why no migration library:
docs/adr/0003-migrations.md.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files

import psycopg

from gateway.errors import GatewayError, StartError
from gateway.store.properties import add_missing_properties

_LOCK_KEY = 7_431_100  # any number, as long as it is ours alone
_CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migration (
    name       text PRIMARY KEY,
    sha256     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class SchemaError(GatewayError):
    """The database's schema is not one this version can use; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Migration:
    """One file of `migrations/`."""

    name: str
    statements: str

    @property
    def sha256(self) -> str:
        """Hash of the file, as kept in the database."""
        return hashlib.sha256(self.statements.encode()).hexdigest()


def load_migrations() -> list[Migration]:
    """Every migration of this version, in order."""
    folder = files("gateway.store") / "migrations"
    migrations = [Migration(name=f.name, statements=f.read_text()) for f in folder.iterdir() if f.name.endswith(".sql")]
    return sorted(migrations, key=lambda migration: migration.name)


def select_for_server(migrations: list[Migration], *, timescale: bool) -> list[Migration]:
    """Those of the migrations that this kind of server gets."""
    other = ".plain.sql" if timescale else ".timescale.sql"
    return [migration for migration in migrations if not migration.name.endswith(other)]


def find_pending(migrations: list[Migration], applied: dict[str, str]) -> list[Migration]:
    """What still has to run, or SchemaError where the database and this version disagree."""
    by_name = {migration.name: migration for migration in migrations}
    for name, sha256 in applied.items():
        if name not in by_name:
            raise SchemaError(
                f"the database knows migration {name}, this version does not: install a newer piekwacht, "
                "or restore the backup of before the upgrade"
            )
        if by_name[name].sha256 != sha256:
            raise SchemaError(f"migration {name} was changed after it was applied: restore the released file")
    return [migration for migration in migrations if migration.name not in applied]


def connect(dsn: str) -> psycopg.Connection:
    """A connection, or StartError in one line."""
    try:
        return psycopg.connect(dsn, autocommit=True, connect_timeout=10)
    except psycopg.OperationalError as error:
        raise StartError(f"no database: {' '.join(str(error).split())}; check [database] dsn") from None
    except psycopg.ProgrammingError as error:
        raise StartError(f"the DSN cannot be read: {' '.join(str(error).split())}; check [database] dsn") from None


def _uses_timescale(connection: psycopg.Connection, applied: Iterable[str]) -> bool:
    """Whether to use TimescaleDB: what the database began with, else what the server offers."""
    kinds = {name.rsplit(".", 2)[-2] for name in applied}
    if "timescale" in kinds or "plain" in kinds:
        return "timescale" in kinds
    query = "SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'"
    return connection.execute(query).fetchone() is not None


def migrate(dsn: str, *, check: bool = False) -> list[str]:
    """Apply what is pending and return the names; with `check` only return them."""
    with connect(dsn) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK_KEY])
        connection.execute("SET client_min_messages = warning")
        connection.execute(_CREATE_TABLE)
        applied: dict[str, str] = dict(connection.execute("SELECT name, sha256 FROM schema_migration").fetchall())
        pending_migrations = find_pending(
            select_for_server(load_migrations(), timescale=_uses_timescale(connection, applied)), applied
        )
        for migration in [] if check else pending_migrations:
            with connection.transaction():
                connection.execute(migration.statements.encode())
                connection.execute(
                    "INSERT INTO schema_migration (name, sha256) VALUES (%s, %s)", [migration.name, migration.sha256]
                )
        if not check:
            add_missing_properties(connection)
    return [migration.name for migration in pending_migrations]
