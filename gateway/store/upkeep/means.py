"""Refresh the means by our own hand, in spans of a day, each in separate transactions.

A span without changes costs a few milliseconds: TimescaleDB records which times have changed, and computes only those.
`connection` is in autocommit mode, as a refresh commits by itself. psycopg.Error if one fails; what was filled before
stays.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
from msgspec import Struct
from psycopg.rows import class_row, scalar_row

from alerting.sql import load_queries
from gateway.store.upkeep.outcome import MayContinue, Progress
from gateway.store.upkeep.slices import (
    OLD_AFTER,
    VIEWS,
    MeansView,
    Span,
    find_border,
    find_recent_start,
    iterate_spans,
    list_days,
)

_QUERIES = load_queries(Path(__file__).with_name("upkeep.sql"))


class _ChunkSpan(Struct, frozen=True, kw_only=True):
    since: datetime
    until: datetime


def refresh_recent_means(
    connection: psycopg.Connection, view: MeansView, now: datetime, may_continue: MayContinue
) -> Progress:
    """Refresh what is within reach of a run, and before that what was never filled."""
    filled_until = _fetch_filled_until(connection, view)
    starts = [find_recent_start(view, now, filled_until), find_border(view, _fetch_dropped(connection))]
    since = max((start for start in starts if start is not None), default=None)
    spans = iterate_spans(view, _list_days(connection), since=since, until=now - view.lag)
    return _refresh_all(connection, ((view, span) for span in spans), may_continue)


def refresh_old_means(connection: psycopg.Connection, now: datetime, may_continue: MayContinue) -> Progress:
    """Refresh all three means of every day before the reach of a run, as far as no finer values were deleted."""
    days = [day for day in _list_days(connection) if day < now - OLD_AFTER]
    dropped = _fetch_dropped(connection)
    return _refresh_all(connection, _iterate_old_spans(days, dropped, now), may_continue)


def refresh_all_means(connection: psycopg.Connection, read_clock: Callable[[], datetime]) -> None:
    """Fill means that a migration has made anew, one after the other. Nothing of them was deleted yet.

    A refresh of hours or days also reads every reading that is newer than the filled minutes. TimescaleDB takes 0.1 ms
    for each of them. So the minutes of what came meanwhile are filled first.
    """
    _refresh_all(connection, _iterate_all_spans(_list_days(connection), read_clock), lambda: True)


def _iterate_all_spans(
    days: Sequence[datetime], read_clock: Callable[[], datetime]
) -> Iterator[tuple[MeansView, Span]]:
    """View by view. Before each span of hours or days come the newest minutes, up to that moment."""
    minutes, *_ = VIEWS
    began = read_clock()
    for view in VIEWS:
        for span in iterate_spans(view, days, since=None, until=began):
            if view is not minutes:
                yield minutes, (began - timedelta(hours=1), read_clock() - minutes.lag)
            yield view, span


def _iterate_old_spans(
    days: Iterable[datetime], dropped: Mapping[str, datetime], now: datetime
) -> Iterator[tuple[MeansView, Span]]:
    """Day by day, each of the means from the finer one: a day's means are right before the next day begins."""
    for day in days:
        for view in VIEWS:
            for span in iterate_spans(view, [day], since=find_border(view, dropped), until=now - view.lag):
                yield view, span


def _refresh_all(
    connection: psycopg.Connection, spans: Iterable[tuple[MeansView, Span]], may_continue: MayContinue
) -> Progress:
    count = 0
    for view, (since, until) in spans:
        if not may_continue():
            return Progress(is_finished=False, detail=f"stopped before {since:%Y-%m-%d}, continued by the next run")
        connection.execute(_QUERIES["refresh_means"], {"view": view.name, "since": since, "until": until})
        count += 1
    return Progress(is_finished=True, detail=f"{count} spans of a day refreshed")


def _list_days(connection: psycopg.Connection) -> list[datetime]:
    rows = connection.cursor(row_factory=class_row(_ChunkSpan)).execute(_QUERIES["select_chunk_spans"]).fetchall()
    return list_days((row.since, row.until) for row in rows)


def _fetch_dropped(connection: psycopg.Connection) -> Mapping[str, datetime]:
    return dict(connection.execute(_QUERIES["select_dropped"]).fetchall())


def _fetch_filled_until(connection: psycopg.Connection, view: MeansView) -> datetime | None:
    cursor = connection.cursor(row_factory=scalar_row)
    filled_until: datetime | None = cursor.execute(_QUERIES["select_filled_until"], {"view": view.name}).fetchone()
    return filled_until
