"""Check that the database's upkeep is done: means refreshed, chunks compressed and dropped, old rows deleted.

It judges the outcome, not whether jobs exist: a scheduler whose jobs fail looks busy.
"""

from collections.abc import Iterable, Iterator

import psycopg

from alerting.errors import one_line
from gateway.doctor.finding import Finding, FindingFactory
from gateway.errors import StartError
from gateway.store.connection import connect
from gateway.store.upkeep.status import WorkStatus, fetch_status

_FINDING = FindingFactory("upkeep")


def check_upkeep(dsn: str) -> Iterator[Finding]:
    """Name each work that stands still. Nothing without a database or its tables: the check `database` reports that."""
    try:
        with connect(dsn) as connection:
            statuses = fetch_status(connection)
    except StartError:
        return
    except psycopg.Error as error:
        yield _FINDING.fault(f"upkeep cannot be read ({one_line(error)})", "see the log of the database")
        return
    if statuses is not None:
        yield from judge_upkeep(statuses)


def judge_upkeep(statuses: Iterable[WorkStatus]) -> Iterator[Finding]:
    """Yield a fault for each work that stands still, or one finding that all is done."""
    standing = [status for status in statuses if status.stands_still]
    for status in standing:
        reason = f" ({status.last_error})" if status.last_error else ""
        yield _FINDING.fault(
            f"{status.work} stands still since {status.done_at:%Y-%m-%d %H:%M}Z{reason}",
            "run `piekwacht upkeep run`, and check that its timer runs (docs/operator/upkeep.md)",
        )
    if not standing:
        yield _FINDING.ok("no work of upkeep stands still")
