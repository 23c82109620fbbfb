"""Retention: how long data are stored. By default nothing is deleted.

`piekwacht migrate` sets TimescaleDB's policies, `piekwacht prune` deletes on plain PostgreSQL. Means are computed again
from finer values for up to 33 days, as late data arrive. Finer values must therefore be stored for longer
(at least 40 days): else TimescaleDB would empty the means of days whose finer values are deleted.
"""

from pathlib import Path
from typing import Annotated

import psycopg
from msgspec import Meta, Struct

from alerting.sql import load_queries
from gateway.store.connection import connect
from gateway.store.public_log import QUERIES as LOG_QUERIES

_QUERIES = load_queries(Path(__file__).with_name("retention.sql"))
RetentionDays = Annotated[int, Meta(ge=40)]


class RetentionSettings(Struct, frozen=True, kw_only=True):
    """`[retention]`: days that data are stored. Data without a number are never deleted.

    TimescaleDB deletes observations and means by policy, `piekwacht prune` deletes all else.

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


def apply_policies(dsn: str, settings: RetentionSettings) -> list[str]:
    """Set TimescaleDB's policies and return one sentence for each. Plain PostgreSQL: do nothing, return []."""
    with connect(dsn) as connection:
        if connection.execute(_QUERIES["has_timescale"]).fetchone() is None:
            return []
        with connection.transaction():
            return [*_apply_compression(connection, settings), *_apply_retention(connection, settings)]


def _apply_compression(connection: psycopg.Connection, settings: RetentionSettings) -> list[str]:
    connection.execute("SET client_min_messages = warning")
    connection.execute(_QUERIES["set_chunk_interval"], {"hours": settings.chunk_hours})
    connection.execute(_QUERIES["remove_compression_policy"])
    if settings.compress_after_days is None:
        return ["observations are never compressed"]
    connection.execute(_QUERIES["add_compression_policy"], {"days": settings.compress_after_days})
    return [f"observations are compressed after {settings.compress_after_days} days"]


def _apply_retention(connection: psycopg.Connection, settings: RetentionSettings) -> list[str]:
    descriptions = []
    for name, days in (
        ("observation", settings.raw_days),
        ("observation_1min", settings.minute_days),
        ("observation_1h", settings.hour_days),
        ("observation_1day", settings.day_days),
    ):
        connection.execute(_QUERIES["remove_retention_policy"], {"table": name})
        if days is not None:
            connection.execute(_QUERIES["add_retention_policy"], {"table": name, "days": days})
            descriptions.append(f"{name} is kept for {days} days")
    return descriptions


def prune_old_rows(dsn: str, settings: RetentionSettings) -> PruneResult:
    """Delete old rows in slices, one transaction each. Alerts, notifications and their deliveries are never deleted."""
    with connect(dsn) as connection:
        timescale = connection.execute(_QUERIES["has_timescale"]).fetchone() is not None
        return PruneResult(
            observations=0
            if timescale
            else _delete_in_slices(connection, "prune_observations", settings.raw_days, logged="observations"),
            batches=_delete_in_slices(connection, "prune_evidence", settings.evidence_days, logged="signed-bytes"),
            shadow_events=_delete_in_slices(connection, "prune_shadow", settings.shadow_days),
            selftest_hours=_delete_in_slices(connection, "prune_selftest", settings.selftest_days),
        )


def _delete_in_slices(connection: psycopg.Connection, query: str, days: int | None, logged: str | None = None) -> int:
    """`logged`: name under which the public log of each area reports the number of rows; None: it does not."""
    total = 0
    while days is not None and (count := _delete_slice(connection, query, days, logged)):
        total += count
    return total


def _delete_slice(connection: psycopg.Connection, query: str, days: int, logged: str | None) -> int:
    with connection.transaction():
        count = connection.execute(_QUERIES[query], {"days": days}).rowcount
        if count and logged is not None:
            removal = {"what": logged, "days": days, "count": count}
            connection.execute(LOG_QUERIES["insert_removal"], removal)
    return count
