"""Migrate a database to the newest schema: forward only, one transaction per file, in the order of names.

`*.timescale.sql` runs if the server has TimescaleDB, `*.plain.sql` if it has not. Both create the
same names and columns, so that code above the store need not distinguish them.

Each applied file is recorded with its hash. A file that was changed after it was applied is an error.
An advisory lock lets several processes start at once. Why no migration library:
docs/adr/0003-migrations.md. Called by `piekwacht migrate`, and by every service to check the schema.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files

import psycopg

from gateway.errors import GatewayError, StartError
from gateway.store.connection import connect
from gateway.store.levels import write_levels
from gateway.store.means import PREPARATIONS, fill_means
from gateway.store.properties import add_missing_properties

_LOCK_KEY = 7_431_100  # any number that no other program uses
_OLDEST_TIMESCALE = (2, 18)  # the first with the settings of the columnstore
_TIMESCALE_VERSION = """
SELECT coalesce((SELECT extversion FROM pg_extension WHERE extname = a.name), a.default_version)
FROM pg_available_extensions a WHERE a.name = 'timescaledb'
"""
_CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migration (
    name       text PRIMARY KEY,
    sha256     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class SchemaError(GatewayError):
    """This version cannot use the database's schema; the message names the remedy."""


@dataclass(frozen=True, kw_only=True)
class Migration:
    """One file of `migrations/`."""

    name: str
    statements: str

    @property
    def sha256(self) -> str:
        """Hash of the file, as recorded in the database."""
        return hashlib.sha256(self.statements.encode()).hexdigest()


def load_migrations() -> list[Migration]:
    """Return every migration of this version, in order."""
    folder = files("gateway.store") / "migrations"
    migrations = [Migration(name=f.name, statements=f.read_text()) for f in folder.iterdir() if f.name.endswith(".sql")]
    return sorted(migrations, key=lambda migration: migration.name)


def select_for_server(migrations: list[Migration], *, timescale: bool) -> list[Migration]:
    """Return the migrations for a server with or without TimescaleDB."""
    other = ".plain.sql" if timescale else ".timescale.sql"
    return [migration for migration in migrations if not migration.name.endswith(other)]


def find_pending(migrations: list[Migration], applied: dict[str, str]) -> list[Migration]:
    """Return the migrations yet to run. Raises SchemaError if the database does not fit this version."""
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


def _uses_timescale(connection: psycopg.Connection, applied: Iterable[str]) -> bool:
    """Whether to use TimescaleDB: as the database was created, else as the server offers it."""
    kinds = {name.rsplit(".", 2)[-2] for name in applied}
    if "timescale" in kinds or "plain" in kinds:
        return "timescale" in kinds
    query = "SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'"
    return connection.execute(query).fetchone() is not None


def check_timescale(version: str) -> None:
    """Raise SchemaError if this version of TimescaleDB is too old. `version`: such as 2.23.1."""
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if numbers < _OLDEST_TIMESCALE:
        oldest = ".".join(map(str, _OLDEST_TIMESCALE))
        raise SchemaError(
            f"the server has TimescaleDB {version}, and {oldest} is the oldest that can be used: install a newer one,"
            " and run `ALTER EXTENSION timescaledb UPDATE` in the database if it has the old one"
        )


def migrate(dsn: str, *, check: bool = False) -> list[str]:
    """Apply the pending migrations and return their names; with `check` only return them."""
    with connect(dsn) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK_KEY])
        connection.execute("SET client_min_messages = warning")
        connection.execute(_CREATE_TABLE)
        applied: dict[str, str] = dict(connection.execute("SELECT name, sha256 FROM schema_migration").fetchall())
        timescale = _uses_timescale(connection, applied)
        pending_migrations = find_pending(select_for_server(load_migrations(), timescale=timescale), applied)
        if timescale and pending_migrations:
            for (installed,) in connection.execute(_TIMESCALE_VERSION).fetchall():
                check_timescale(installed)
        for migration in [] if check else pending_migrations:
            with connection.transaction():
                if migration.name in PREPARATIONS:
                    connection.execute(PREPARATIONS[migration.name])
                connection.execute(migration.statements.encode())
                connection.execute(
                    "INSERT INTO schema_migration (name, sha256) VALUES (%s, %s)", [migration.name, migration.sha256]
                )
        if not check:
            add_missing_properties(connection)
            write_levels(connection)
            fill_means(connection)
    return [migration.name for migration in pending_migrations]


def check_schema(dsn: str) -> None:
    """Raise StartError if the database is unavailable or does not have the schema of this version."""
    try:
        pending = migrate(dsn, check=True)
    except SchemaError as error:
        raise StartError(str(error)) from None
    if pending:
        raise StartError(f"the database lacks {len(pending)} migration(s), first {pending[0]}: run `piekwacht migrate`")
