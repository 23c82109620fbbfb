"""Remove readings on request, such as those of a host who wants them gone. Each removal is recorded in `removal`.

Called by `piekwacht readings remove`. Readings are removed day by day, each day in one transaction with its record. The
signed bytes of their batches go too, because they hold the same values. Means follow with `piekwacht upkeep run`.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
from msgspec import Struct
from psycopg.rows import class_row, scalar_row

from alerting.sql import load_queries
from gateway.errors import GatewayError
from gateway.store.connection import QUERIES as STORE_QUERIES

_QUERIES = load_queries(Path(__file__).with_suffix(".sql"))
_DAY = timedelta(days=1)


class RemovedReadings(Struct, frozen=True, kw_only=True):
    """Number of removed readings, and of batches whose signed bytes were removed."""

    readings: int = 0
    batches: int = 0


class _Span(Struct, frozen=True, kw_only=True):
    first_at: datetime | None
    last_at: datetime | None


def remove_readings(connection: psycopg.Connection, station: str, start: datetime, end: datetime) -> RemovedReadings:
    """Remove the readings of all nodes at a station from `start` until before `end`.

    `connection` is in autocommit mode. Raises GatewayError if there is no such station or no reading. After an error of
    the database, the days before it are removed and recorded; the call can be repeated.
    """
    connection.prepare_threshold = None  # bounds of time choose chunks, so each statement is planned anew
    scalars = connection.cursor(row_factory=scalar_row)
    if not scalars.execute(_QUERIES["has_station"], {"station": station}).fetchone():
        raise GatewayError(f"no station {station!r} is registered; `piekwacht site show` prints all")
    ids = scalars.execute(_QUERIES["select_datastreams_of_station"], {"station": station}).fetchall()
    removed = RemovedReadings()
    for since, until in _iterate_days(connection, ids, start, end):
        with connection.transaction():
            connection.execute(STORE_QUERIES["allow_large_moves"])
            cursor = connection.cursor(row_factory=class_row(RemovedReadings))
            day = cursor.execute(_QUERIES["remove_readings"], {"ids": ids, "start": since, "end": until}).fetchone()
        if day is not None:
            removed = RemovedReadings(readings=removed.readings + day.readings, batches=removed.batches + day.batches)
    if not removed.readings:
        raise GatewayError(f"{station} has no reading in this period")
    return removed


def _iterate_days(
    connection: psycopg.Connection, ids: list[int], start: datetime, end: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Yield spans of a day from the first reading to the last."""
    cursor = connection.cursor(row_factory=class_row(_Span))
    span = cursor.execute(_QUERIES["select_span"], {"ids": ids, "start": start, "end": end}).fetchone()
    if span is None or span.first_at is None or span.last_at is None:
        return
    since, end = span.first_at, min(end, span.last_at + timedelta(microseconds=1))
    while since < end:
        yield since, min(since + _DAY, end)
        since += _DAY
