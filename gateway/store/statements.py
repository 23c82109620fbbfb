"""Statements of others in the database: values and reports of sites, and counts of complaints.

Called by `piekwacht statements` and `piekwacht complaints compare --store`. A file is stored as a whole or not at all,
and the same file twice changes nothing. `connection` is in autocommit mode.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import psycopg
from msgspec import Struct, structs
from psycopg.rows import class_row, scalar_row

from alerting.sql import load_queries
from gateway.model.csv_table import TableFileError
from gateway.reconciliation.event_counts import EventCount
from gateway.reconciliation.fit import ComplaintReconciliation
from gateway.reconciliation.site_statements import SiteReport, SiteValue

_QUERIES = load_queries(Path(__file__).with_suffix(".sql"))


class ComparedPeriod(Struct, frozen=True, kw_only=True):
    """Area and period of a comparison, and where the complaints come from."""

    area: str
    start: datetime
    end: datetime
    source: str


class _StoredValue(Struct, frozen=True, kw_only=True):
    value: float | None
    unit: str
    status: str


class _StoredReport(Struct, frozen=True, kw_only=True):
    reported_at: datetime
    start: datetime
    end: datetime | None
    summary: str
    source: str


class StoredRows(Struct, frozen=True, kw_only=True):
    """How many rows of a file were new, and how many replaced a stored one with another content."""

    new: int
    replaced: int


def check_site(connection: psycopg.Connection, site: str) -> None:
    """Raise TableFileError if there is no such site."""
    if connection.execute(_QUERIES["select_site"], {"site": site}).fetchone() is None:
        raise TableFileError(f"there is no site {site!r}; `piekwacht site show` prints them")


def store_values(
    connection: psycopg.Connection, site: str, values: Sequence[SiteValue], *, replace: bool = False
) -> StoredRows:
    """Store the values of a site. Raises TableFileError if a stored one is another, unless it may be replaced."""
    new = replaced = 0
    with connection.transaction():
        for row in values:
            parameters: Mapping[str, object] = {**structs.asdict(row), "site": site}
            if _insert(connection, "insert_value", parameters):
                new += 1
                continue
            cursor = connection.cursor(row_factory=class_row(_StoredValue))
            stored = cursor.execute(_QUERIES["select_value"], parameters).fetchone()
            if stored == _StoredValue(value=row.value, unit=row.unit, status=row.status):
                continue
            if not replace:
                raise _describe_conflict(f"the value of {row.stack}, {row.substance} at {row.start.isoformat()}")
            connection.execute(_QUERIES["update_value"], parameters)
            replaced += 1
    return StoredRows(new=new, replaced=replaced)


def store_reports(
    connection: psycopg.Connection, site: str, reports: Sequence[SiteReport], *, replace: bool = False
) -> StoredRows:
    """Store the reports of a site. Raises TableFileError if a stored one is another, unless it may be replaced."""
    new = replaced = 0
    with connection.transaction():
        for row in reports:
            parameters: Mapping[str, object] = {**structs.asdict(row), "site": site}
            if _insert(connection, "insert_report", parameters):
                new += 1
                continue
            cursor = connection.cursor(row_factory=class_row(_StoredReport))
            stored = cursor.execute(_QUERIES["select_report"], parameters).fetchone()
            if stored == _StoredReport(
                reported_at=row.reported_at, start=row.start, end=row.end, summary=row.summary, source=row.source
            ):
                continue
            if not replace:
                raise _describe_conflict(f"the report {row.id!r}")
            connection.execute(_QUERIES["update_report"], parameters)
            replaced += 1
    return StoredRows(new=new, replaced=replaced)


def store_comparison(
    connection: psycopg.Connection,
    period: ComparedPeriod,
    result: ComplaintReconciliation,
    counts: Sequence[EventCount],
) -> None:
    """Store the counts of a comparison: nothing of a complaint."""
    values: Mapping[str, object] = {
        **structs.asdict(result),
        **structs.asdict(result.counts),
        **structs.asdict(period),
    }
    with connection.transaction(), connection.cursor(row_factory=scalar_row) as cursor:
        comparison = cursor.execute(_QUERIES["insert_comparison"], values).fetchone()
        rows = [{**structs.asdict(count), "comparison": comparison} for count in counts]
        if rows:
            cursor.executemany(_QUERIES["insert_count"], rows)


def _insert(connection: psycopg.Connection, query: str, parameters: Mapping[str, object]) -> bool:
    return connection.execute(_QUERIES[query], parameters).fetchone() is not None


def _describe_conflict(what: str) -> TableFileError:
    return TableFileError(
        f"{what} is stored with another content, so nothing of the file was stored; "
        "if the file is right, give --replace"
    )
