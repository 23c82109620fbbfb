"""Checks of the database: connection, durability settings, schema, TimescaleDB, and clocks of nodes stored in it."""

from collections.abc import Iterator, Mapping
from datetime import datetime

import psycopg
from msgspec import Struct
from psycopg.rows import class_row, scalar_row

from alerting.errors import one_line
from gateway.doctor.finding import Finding, FindingFactory
from gateway.errors import StartError
from gateway.guests.inbox import QUERIES as GUEST_QUERIES
from gateway.model.clock_doubt import describe_clock_error
from gateway.store.connection import QUERIES, connect
from gateway.store.migrate import SchemaError, find_pending, load_migrations, select_for_server

_MIN_SERVER_VERSION = 150_000  # PostgreSQL 15


class _UndatedNode(Struct, frozen=True, kw_only=True):
    node: str
    batches: int
    since: datetime
    doubt: str
    undated_since: datetime | None
    clock_error_ms: int | None


class _TimescaleState(Struct, frozen=True, kw_only=True):
    version: str | None
    made_with_timescale: bool


def check_database(dsn: str) -> Iterator[Finding]:
    """Connect once; the other checks run only if that succeeds."""
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
            yield from _check_node_clocks(connection)
            yield from _check_copies(connection)
            yield from _check_guests(connection)
        except psycopg.Error as error:
            yield finding.fault(f"the database answers with an error ({one_line(error)})", "see its log")


def _check_server(connection: psycopg.Connection) -> Iterator[Finding]:
    finding, version = FindingFactory("database"), connection.info.server_version
    if version < _MIN_SERVER_VERSION:
        yield finding.fault(f"the server is PostgreSQL {version // 10_000}", "install PostgreSQL 15 or newer")
        return
    durability: Mapping[str, str] = dict(connection.execute(QUERIES["select_durability_settings"]).fetchall())
    for name, value in durability.items():
        if value == "off":
            remedy = (
                f"set {name} = on in postgresql.conf, or a power cut loses readings that nodes have already deleted"
            )
            yield finding.fault(f"the server runs with {name} = off", remedy)
    if "off" not in durability.values():
        yield finding.ok(f"PostgreSQL {version // 10_000} answers, and its commits survive a power cut")


def _check_schema(connection: psycopg.Connection) -> Iterator[Finding]:
    finding = FindingFactory("schema")
    if not connection.cursor(row_factory=scalar_row).execute(QUERIES["has_schema"]).fetchone():
        yield finding.fault("the database is empty", "run `piekwacht migrate`")
        return
    applied: dict[str, str] = dict(connection.execute(QUERIES["select_applied_migrations"]).fetchall())
    timescale = any(name.endswith(".timescale.sql") for name in applied)
    try:
        missing = find_pending(select_for_server(load_migrations(), timescale=timescale), applied)
    except SchemaError as error:
        yield finding.fault("the database does not fit this version", str(error))
        return
    if missing:
        yield finding.fault(
            f"the database is older: it lacks {len(missing)} migrations", "back up, then run `piekwacht migrate`"
        )
    else:
        yield finding.ok(f"the schema is of this version, up to {max(applied)}")


def _check_timescale(connection: psycopg.Connection) -> Iterator[Finding]:
    finding = FindingFactory("timescale")
    cursor = connection.cursor(row_factory=class_row(_TimescaleState))
    timescale = cursor.execute(QUERIES["select_timescale_version"]).fetchone()
    if timescale is not None and timescale.version:
        jobs = connection.cursor(row_factory=scalar_row)
        if failed_jobs := jobs.execute(QUERIES["count_failed_jobs"]).fetchone():
            remedy = "see timescaledb_information.job_errors; `piekwacht upkeep run` does their work meanwhile"
            yield finding.warning(f"the last run of {failed_jobs} TimescaleDB jobs failed", remedy)
        else:
            yield finding.ok(f"TimescaleDB {timescale.version} is installed")
    elif timescale is not None and timescale.made_with_timescale:
        remedy = "install it again on the server"
        yield finding.fault("the database was created with TimescaleDB, which is no longer installed", remedy)
    else:
        yield finding.note(
            "TimescaleDB is not installed",
            "nothing is compressed; fine for some ten nodes, see docs/operator/sizing.md",
        )


def _check_node_clocks(connection: psycopg.Connection) -> Iterator[Finding]:
    """Name each node with batches without a date. A database of an older version has no such table."""
    finding = FindingFactory("node clocks")
    if not connection.cursor(row_factory=scalar_row).execute(QUERIES["has_dating"]).fetchone():
        return
    cursor = connection.cursor(row_factory=class_row(_UndatedNode))
    for row in cursor.execute(QUERIES["select_undated_nodes"]).fetchall():
        batches = f"{row.node} has {row.batches} batches without a date since {row.since:%Y-%m-%d %H:%M}Z ({row.doubt})"
        if row.undated_since is None or row.clock_error_ms is None:
            remedy = "they count nowhere until a batch of the same boot has a set clock"
            yield finding.warning(batches, remedy)
        else:
            remedy = f"{describe_clock_error(row.clock_error_ms)}: check its NTP server, or fit a DS3231"
            yield finding.fault(batches, remedy)


class _RecentCopy(Struct, frozen=True, kw_only=True):
    node: str
    last_at: datetime


def _check_copies(connection: psycopg.Connection) -> Iterator[Finding]:
    finding = FindingFactory("nodes")
    if not connection.cursor(row_factory=scalar_row).execute(QUERIES["has_node_copies"]).fetchone():
        return  # an older schema, which is reported already
    copies = connection.cursor(row_factory=class_row(_RecentCopy)).execute(QUERIES["select_recent_copies"]).fetchall()
    for copy in copies:
        yield finding.warning(
            f"two cards of node {copy.node} send at once, last at {copy.last_at:%Y-%m-%d %H:%M:%S}Z",
            "stop one of them, and enrol it as a node of its own (docs/operator/nodes.md)",
        )
    if not copies:
        yield finding.ok("no node runs twice")


class _DelayedMessages(Struct, frozen=True, kw_only=True):
    messages: int
    since: datetime | None


def _check_guests(connection: psycopg.Connection) -> Iterator[Finding]:
    """Name messages of guests that wait: a gateway without the notary's key leaves them in the inbox."""
    finding = FindingFactory("guests")
    if not connection.cursor(row_factory=scalar_row).execute(GUEST_QUERIES["has_inbox"]).fetchone():
        return  # an older schema, which is reported already
    cursor = connection.cursor(row_factory=class_row(_DelayedMessages))
    delayed = cursor.execute(GUEST_QUERIES["select_delayed_messages"]).fetchone()
    if delayed is not None and delayed.since is not None:
        yield finding.fault(
            f"{delayed.messages} messages of guests wait since {delayed.since:%Y-%m-%d %H:%M}Z",
            "set [ingest] notary_key_file at the gateway of their area, and see that it runs",
        )
    else:
        yield finding.ok("no message of a guest waits")
