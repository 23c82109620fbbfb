"""Fill TimescaleDB's means after a migration has made them anew, then let its policies keep them up to date.

Called by the migration. Days are filled from the oldest to the newest. An aggregate computes all that is newer than
its newest filled bucket from the readings, so every answer is complete while this runs. Policies come last: they fill
the newest days first, and older ones would then be missing. If it is interrupted, the next
migration continues; filled days cost it nothing. On plain PostgreSQL there is nothing to do: means are views.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import psycopg

from alerting.sql import load_queries

_QUERIES = load_queries(Path(__file__).with_suffix(".sql"))
_SLICE = timedelta(days=1)
# Each is made from the one before. A refresh fills whole buckets only: a day lies inside a slice with two days more.
_VIEWS = (
    ("observation_1min", timedelta(0)),
    ("observation_1h", timedelta(0)),
    ("observation_1day", timedelta(days=2)),
)


def fill_means(connection: psycopg.Connection) -> None:
    """Refresh every aggregate and add its policy, unless this was done before. `connection` is in autocommit mode."""
    if connection.execute(_QUERIES["has_timescale"]).fetchone() is None or _has_policies(connection):
        return
    since, until = connection.execute(_QUERIES["select_span"]).fetchone() or (None, None)
    for view, margin in _VIEWS if since is not None else ():
        for start, end in iterate_slices(since, until, margin):
            connection.execute(_QUERIES["refresh_means"], {"view": view, "since": start, "until": end})
    connection.execute(_QUERIES["add_policies"])


def _has_policies(connection: psycopg.Connection) -> bool:
    return connection.execute(_QUERIES["count_policies"]).fetchone() != (0,)


def iterate_slices(since: datetime, until: datetime, margin: timedelta) -> Iterator[tuple[datetime, datetime]]:
    """Yield [start - margin, end + margin) of successive whole days of the span, no later than `until`.

    The rest is less than a day and computed when it is read: TimescaleDB refuses to fill less than a bucket.
    """
    start = since
    while start + _SLICE <= until:
        yield start - margin, min(until, start + _SLICE + margin)
        start += _SLICE
