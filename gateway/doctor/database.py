"""The database: does it answer, has it our schema, does it keep what it has confirmed."""

from collections.abc import Iterator, Mapping

import psycopg

from gateway.doctor.finding import Finding, FindingFactory
from gateway.errors import StartError
from gateway.store.connection import QUERIES
from gateway.store.migrate import SchemaError, connect, find_pending, load_migrations, select_for_server

_MIN_SERVER_VERSION = 150_000  # PostgreSQL 15
_TOO_SLOW = 0.25  # seconds for an answer to nothing


def check_database(dsn: str) -> Iterator[Finding]:
    """Connect once; everything else only where that works."""
    finding = FindingFactory("database")
    try:
        connection = connect(dsn)
    except StartError as error:
        yield finding.fault("the database does not answer", str(error))
        return
    with connection:
        try:
            yield from _check_server(connection)
            yield from _check_schema(connection)
            yield from _check_timescale(connection)
        except psycopg.Error as error:
            yield finding.fault(
                f"the database answers with an error ({' '.join(str(error).split())})", "look at its log"
            )


def _check_server(connection: psycopg.Connection) -> Iterator[Finding]:
    finding, version = FindingFactory("database"), connection.info.server_version
    if version < _MIN_SERVER_VERSION:
        yield finding.fault(f"the server is PostgreSQL {version // 10_000}", "install PostgreSQL 15 or newer")
        return
    durability: Mapping[str, str] = dict(connection.execute(QUERIES["select_durability_settings"]).fetchall())
    for name, value in durability.items():
        if value == "off":
            remedy = f"set {name} = on in postgresql.conf, or a power cut loses what nodes were told to forget"
            yield finding.fault(f"the server runs with {name} = off", remedy)
    if "off" not in durability.values():
        yield finding.ok(f"PostgreSQL {version // 10_000} answers and keeps what it confirms")


def _check_schema(connection: psycopg.Connection) -> Iterator[Finding]:
    finding = FindingFactory("schema")
    row = connection.execute(QUERIES["has_schema"]).fetchone()
    if row is None or not row[0]:
        yield finding.fault("the database is empty", "run `piekwacht migrate`")
        return
    applied: dict[str, str] = dict(connection.execute(QUERIES["select_applied_migrations"]).fetchall())
    timescale = any(name.endswith(".timescale.sql") for name in applied)
    try:
        missing = find_pending(select_for_server(load_migrations(), timescale=timescale), applied)
    except SchemaError as error:
        yield finding.fault("the database is not of this version", str(error))
        return
    if missing:
        yield finding.fault(
            f"the database is older, it lacks {len(missing)} migrations", "back up, then run `piekwacht migrate`"
        )
    else:
        yield finding.ok(f"the schema is this version's, up to {max(applied)}")


def _check_timescale(connection: psycopg.Connection) -> Iterator[Finding]:
    finding = FindingFactory("timescale")
    row = connection.execute(QUERIES["select_timescale_version"]).fetchone()
    version, made_with_timescale = row or (None, False)
    if version:
        failed_jobs = connection.execute(QUERIES["count_failed_jobs"]).fetchall()
        if failed_jobs:
            remedy = "look at timescaledb_information.job_errors"
            yield finding.warning(f"{len(failed_jobs)} of TimescaleDB's jobs failed last time", remedy)
        else:
            yield finding.ok(f"TimescaleDB {version} is there")
    elif made_with_timescale:
        yield finding.fault("the database was made with TimescaleDB and it is gone", "install it again on the server")
    else:
        yield finding.note(
            "there is no TimescaleDB", "nothing is compressed; fine for some ten nodes, see docs/operator/sizing.md"
        )
