"""The database: does it answer, has it our schema, does it keep what it has confirmed."""

from collections.abc import Iterator, Mapping

import psycopg

from gateway.doctor.finding import Finding, Findings
from gateway.errors import StartError
from gateway.store.connection import QUERIES
from gateway.store.migrate import SchemaError, connect, meant_for, pending, shipped

_OLDEST_SERVER = 150_000  # PostgreSQL 15
_TOO_SLOW = 0.25  # seconds for an answer to nothing


def examine(dsn: str) -> Iterator[Finding]:
    """Connect once; everything else only where that works."""
    say = Findings("database")
    try:
        connection = connect(dsn)
    except StartError as error:
        yield say.fault("the database does not answer", str(error))
        return
    with connection:
        try:
            yield from _server(connection)
            yield from _schema(connection)
            yield from _timescale(connection)
        except psycopg.Error as error:
            yield say.fault(f"the database answers with an error ({' '.join(str(error).split())})", "look at its log")


def _server(connection: psycopg.Connection) -> Iterator[Finding]:
    say, version = Findings("database"), connection.info.server_version
    if version < _OLDEST_SERVER:
        yield say.fault(f"the server is PostgreSQL {version // 10_000}", "install PostgreSQL 15 or newer")
        return
    settings: Mapping[str, str] = dict(connection.execute(QUERIES["doctor_durability"]).fetchall())
    for name, value in settings.items():
        if value == "off":
            remedy = f"set {name} = on in postgresql.conf, or a power cut loses what nodes were told to forget"
            yield say.fault(f"the server runs with {name} = off", remedy)
    if "off" not in settings.values():
        yield say.well(f"PostgreSQL {version // 10_000} answers and keeps what it confirms")


def _schema(connection: psycopg.Connection) -> Iterator[Finding]:
    say = Findings("schema")
    row = connection.execute(QUERIES["doctor_has_schema"]).fetchone()
    if row is None or not row[0]:
        yield say.fault("the database is empty", "run `piekwacht migrate`")
        return
    applied: dict[str, str] = dict(connection.execute(QUERIES["doctor_applied"]).fetchall())
    timescale = any(name.endswith(".timescale.sql") for name in applied)
    try:
        todo = pending(meant_for(shipped(), timescale=timescale), applied)
    except SchemaError as error:
        yield say.fault("the database is not of this version", str(error))
        return
    if todo:
        yield say.fault(
            f"the database is older, it lacks {len(todo)} migrations", "back up, then run `piekwacht migrate`"
        )
    else:
        yield say.well(f"the schema is this version's, up to {max(applied)}")


def _timescale(connection: psycopg.Connection) -> Iterator[Finding]:
    say = Findings("timescale")
    row = connection.execute(QUERIES["doctor_timescale"]).fetchone()
    version, began_with_it = row or (None, False)
    if version:
        failing = connection.execute(QUERIES["doctor_timescale_jobs"]).fetchall()
        if failing:
            remedy = "look at timescaledb_information.job_errors"
            yield say.warning(f"{len(failing)} of TimescaleDB's jobs failed last time", remedy)
        else:
            yield say.well(f"TimescaleDB {version} is there")
    elif began_with_it:
        yield say.fault("the database was made with TimescaleDB and it is gone", "install it again on the server")
    else:
        yield say.note(
            "there is no TimescaleDB", "nothing is compressed; fine for some ten nodes, see docs/operator/sizing.md"
        )
