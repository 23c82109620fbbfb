"""Retention: how long data are stored. By default nothing is deleted.

Only `piekwacht upkeep run` deletes: it drops chunks on TimescaleDB, and rows on plain PostgreSQL. Each removal is
recorded in its own transaction, in the table `removal`, from which the public log makes a leaf. TimescaleDB's retention
policies record nothing, so `piekwacht migrate` and every run remove them.

Means are computed again from finer values for up to 33 days, as late data arrive. Finer values must therefore be stored
for longer (at least 40 days): else TimescaleDB would empty the means of days whose finer values are deleted.
"""

from pathlib import Path
from typing import Annotated

import psycopg
from msgspec import Meta, Struct
from psycopg.rows import scalar_row

from alerting.sql import load_queries
from gateway.store.connection import connect

_QUERIES = load_queries(Path(__file__).with_name("retention.sql"))
RetentionDays = Annotated[int, Meta(ge=40)]


class RetentionSettings(Struct, frozen=True, kw_only=True):
    """`[retention]`: days that data are stored. Data without a number are never deleted.

    `piekwacht upkeep run` deletes, and records what it deleted.

    chunk_hours          TimescaleDB: time span of one chunk; the newest chunk and its index should fit in memory
    compress_after_days  TimescaleDB: older chunks are compressed to about a tenth and stay readable
    raw_days             single observations
    evidence_days        signed bytes of batches; their numbers and hashes stay
    shadow_days          events of shadow detectors, by detection time
    selftest_days        hours that the self-test examined, with their synthetic peaks; pages show the last 30 days
    minute_days          TimescaleDB: means per minute; on plain PostgreSQL all means go with the raw observations
    hour_days            TimescaleDB: means per hour
    day_days             TimescaleDB: means per day
    """

    chunk_hours: Annotated[int, Meta(ge=1, le=24 * 30)] = 24
    compress_after_days: Annotated[int, Meta(ge=1)] | None = 7
    raw_days: RetentionDays | None = None
    evidence_days: RetentionDays | None = None
    shadow_days: RetentionDays | None = None
    selftest_days: RetentionDays | None = None
    minute_days: RetentionDays | None = None
    hour_days: RetentionDays | None = None
    day_days: RetentionDays | None = None


class PruneResult(Struct, frozen=True, kw_only=True):
    """Numbers of deleted rows; of `batches` only the signed bytes were deleted."""

    observations: int = 0
    batches: int = 0
    shadow_events: int = 0
    selftest_hours: int = 0

    def __str__(self) -> str:
        return (
            f"{self.observations} observations deleted, the signed bytes of {self.batches} batches, "
            f"{self.shadow_events} events of shadow detectors, {self.selftest_hours} hours of the self-test"
        )


def has_timescale(connection: psycopg.Connection) -> bool:
    """Return whether the database uses TimescaleDB."""
    return connection.execute(_QUERIES["has_timescale"]).fetchone() is not None


def apply_policies(dsn: str, settings: RetentionSettings) -> list[str]:
    """Set TimescaleDB's compression policy, remove its retention policies, and return a sentence for each setting.

    Plain PostgreSQL: do nothing, return [].
    """
    with connect(dsn) as connection:
        if not has_timescale(connection):
            return []
        with connection.transaction():
            connection.execute("SET client_min_messages = warning")
            remove_retention_policies(connection)
            return [*_apply_compression(connection, settings), *_describe_limits(settings)]


def remove_retention_policies(connection: psycopg.Connection) -> None:
    """Remove every retention policy of TimescaleDB on our tables, also one that a person has added."""
    connection.execute(_QUERIES["remove_retention_policies"])


def _apply_compression(connection: psycopg.Connection, settings: RetentionSettings) -> list[str]:
    connection.execute(_QUERIES["set_chunk_interval"], {"hours": settings.chunk_hours})
    connection.execute(_QUERIES["remove_compression_policy"])
    if settings.compress_after_days is None:
        return ["observations are never compressed"]
    connection.execute(_QUERIES["add_compression_policy"], {"days": settings.compress_after_days})
    return [f"observations are compressed after {settings.compress_after_days} days"]


def _describe_limits(settings: RetentionSettings) -> list[str]:
    days_by_table = {
        "observation": settings.raw_days,
        "observation_1min": settings.minute_days,
        "observation_1h": settings.hour_days,
        "observation_1day": settings.day_days,
    }
    return [f"{name} is kept for {days} days" for name, days in days_by_table.items() if days is not None]


def prune_old_rows(connection: psycopg.Connection, settings: RetentionSettings) -> PruneResult:
    """Delete old rows in slices, one transaction each. Alerts, notifications and their deliveries are never deleted.

    `connection` is in autocommit mode.
    """
    raw_days = None if has_timescale(connection) else settings.raw_days
    return PruneResult(
        observations=_delete_in_slices(connection, "prune_observations", raw_days),
        batches=_delete_in_slices(connection, "prune_evidence", settings.evidence_days),
        shadow_events=_delete_in_slices(connection, "prune_shadow", settings.shadow_days),
        selftest_hours=_delete_in_slices(connection, "prune_selftest", settings.selftest_days),
    )


def _delete_in_slices(connection: psycopg.Connection, query: str, days: int | None) -> int:
    """Each statement deletes a slice, records it in `removal` and returns its number of rows."""
    cursor, total = connection.cursor(row_factory=scalar_row), 0
    while days is not None and (count := cursor.execute(_QUERIES[query], {"days": days}).fetchone()):
        total += count
    return total
