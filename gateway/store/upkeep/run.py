"""Do the works of upkeep one after another; a failure of one never stops the others.

Called by `piekwacht upkeep run`, from a timer or as a service. An advisory lock lets only one run at a time. Every
outcome is stored, so that the doctor, the status page and the metrics see what stands still, and since when.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

import psycopg
from psycopg.rows import scalar_row

from alerting.errors import one_line
from gateway.errors import StartError, database_unavailable
from gateway.store.connection import connect
from gateway.store.migrate import check_schema
from gateway.store.retention import RetentionSettings, has_timescale, prune_old_rows
from gateway.store.upkeep.chunks import compress_chunks, drop_old_chunks
from gateway.store.upkeep.means import refresh_old_means, refresh_recent_means
from gateway.store.upkeep.outcome import MayContinue, Outcome, OutcomeState, Progress
from gateway.store.upkeep.register import QUERIES, register_works
from gateway.store.upkeep.slices import VIEWS
from gateway.store.upkeep.work import DueDecision, Work, WorkState, decide

_WORK_SECONDS = 300.0  # of one work in one run; the others have their turn then
_VIEW_BY_WORK = dict(zip((Work.MEANS_1MIN, Work.MEANS_1H, Work.MEANS_1DAY), VIEWS, strict=True))


def run_upkeep(
    dsn: str, settings: RetentionSettings, *, ignore_rhythm: bool = False, is_stopping: MayContinue = lambda: False
) -> Iterator[Outcome]:
    """Do every work that is due, and yield the outcome of each.

    `ignore_rhythm`: also the works that are not due. `is_stopping` is called between transactions: True ends the run.
    Raises StartError if the database is unavailable or of an older version, or if another run is under way. Waits while
    a migration runs.
    """
    check_schema(dsn)
    with _open(dsn) as connection:
        works = register_works(connection, settings)
        states = _fetch_states(connection)
        connection.execute(QUERIES["sample_size"])
        for work in works:
            if is_stopping():
                return
            decision = DueDecision.RUN if ignore_rhythm else decide(states[work], datetime.now(UTC))
            yield _run_work(connection, settings, work, decision, is_stopping)


@contextmanager
def _open(dsn: str) -> Iterator[psycopg.Connection]:
    with connect(dsn) as connection:
        connection.prepare_threshold = None  # bounds of time choose chunks, so each statement is planned anew
        cursor = connection.cursor(row_factory=scalar_row)
        if not cursor.execute(QUERIES["try_lock"]).fetchone():
            raise StartError("another `piekwacht upkeep run` is under way; it does the work")
        connection.execute(QUERIES["set_session"])
        try:
            yield connection
        except psycopg.OperationalError as error:
            raise database_unavailable(error) from None
        finally:
            with suppress(psycopg.Error):  # if it is lost or busy, closing it gives the lock back, a little later
                connection.execute(QUERIES["unlock"])


def _fetch_states(connection: psycopg.Connection) -> dict[Work, WorkState]:
    scheduler: dict[str, datetime] = {}
    if has_timescale(connection):
        scheduler = dict(connection.execute(QUERIES["select_scheduler_done"]).fetchall())
    return {
        Work(work): WorkState(work=Work(work), succeeded_at=succeeded_at, scheduler_done_at=scheduler.get(work))
        for work, succeeded_at in connection.execute(QUERIES["select_states"]).fetchall()
    }


def _run_work(
    connection: psycopg.Connection,
    settings: RetentionSettings,
    work: Work,
    decision: DueDecision,
    is_stopping: MayContinue,
) -> Outcome:
    if decision is not DueDecision.RUN:
        return Outcome(work=work, state=OutcomeState.SKIPPED, detail=decision.value)
    ends_at = time.monotonic() + _WORK_SECONDS
    try:
        progress = _do(connection, settings, work, lambda: time.monotonic() < ends_at and not is_stopping())
    except psycopg.Error as error:
        if connection.closed:
            raise
        connection.execute(QUERIES["record_failure"], {"work": work, "error": one_line(error)})
        return Outcome(work=work, state=OutcomeState.FAILED, detail=one_line(error))
    if not progress.is_finished:
        return Outcome(work=work, state=OutcomeState.UNFINISHED, detail=progress.detail)
    connection.execute(QUERIES["record_success"], {"work": work})
    return Outcome(work=work, state=OutcomeState.DONE, detail=progress.detail)


def _do(connection: psycopg.Connection, settings: RetentionSettings, work: Work, may_continue: MayContinue) -> Progress:
    match work:
        case Work.OLD_MEANS:
            return refresh_old_means(connection, datetime.now(UTC), may_continue)
        case Work.MEANS_1MIN | Work.MEANS_1H | Work.MEANS_1DAY:
            return refresh_recent_means(connection, _VIEW_BY_WORK[work], datetime.now(UTC), may_continue)
        case Work.COMPRESSION:
            return compress_chunks(connection, may_continue)
        case Work.RETENTION:
            return drop_old_chunks(connection, may_continue)
        case Work.PRUNING:
            return Progress(is_finished=True, detail=str(prune_old_rows(connection, settings)))
