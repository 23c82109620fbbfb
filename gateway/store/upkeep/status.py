"""Works that stand still, and since when.

Read by the doctor, `piekwacht upkeep status`, the status page and the metrics.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

import psycopg
from msgspec import Struct
from psycopg.rows import class_row

from gateway.store.upkeep.register import QUERIES, has_upkeep
from gateway.store.upkeep.work import RHYTHMS, Work


class WorkStatus(Struct, frozen=True, kw_only=True):
    """A work, the moment up to which it is done, and its last failure. `read_at` is the database's clock."""

    work: str
    done_at: datetime
    failed_at: datetime | None
    error: str | None
    read_at: datetime

    @property
    def limit(self) -> timedelta:
        """How long it may be undone."""
        return RHYTHMS[Work(self.work)].limit

    @property
    def stands_still(self) -> bool:
        """Whether it has not been done for longer than its limit."""
        return self.read_at - self.done_at > self.limit

    @property
    def last_error(self) -> str | None:
        """The error of its last run, or None if it has succeeded since."""
        return self.error if self.failed_at is not None and self.failed_at >= self.done_at else None


def fetch_status(connection: psycopg.Connection) -> list[WorkStatus] | None:
    """Return every work that is wanted, in the order of execution; None: the database is of an older version."""
    if not has_upkeep(connection):
        return None
    rows = connection.cursor(row_factory=class_row(WorkStatus)).execute(QUERIES["select_done"]).fetchall()
    return sort_status(rows)


def sort_status(rows: Iterable[WorkStatus]) -> list[WorkStatus]:
    """Return the rows of works that this version has, in the order of execution."""
    by_work = {row.work: row for row in rows}
    return [by_work[work] for work in Work if work in by_work]
