"""The works of upkeep, when each is due, and from when on it stands still. Pure.

TimescaleDB's scheduler refreshes means and compresses chunks by itself. Its jobs can fail for weeks without notice, and
then late readings are missing from means, and disks fill. `piekwacht upkeep run` therefore does the same work: a means
if the scheduler has not refreshed it of late, and every chunk that is overdue. Only upkeep drops chunks and deletes
rows, because each removal must be recorded.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from msgspec import Struct

from gateway.store.retention import RetentionSettings


class Work(StrEnum):
    """One work of upkeep, in the order of execution. All but `pruning` exist on TimescaleDB only."""

    OLD_MEANS = "old_means"  # means of readings that arrived more than 30 days late
    MEANS_1MIN = "means_1min"
    MEANS_1H = "means_1h"
    MEANS_1DAY = "means_1day"
    COMPRESSION = "compression"
    RETENTION = "retention"  # drops whole chunks
    PRUNING = "pruning"  # deletes rows


class Rhythm(Struct, frozen=True, kw_only=True):
    """`every`: how often upkeep does a work. `limit`: a work that was not done for so long stands still."""

    every: timedelta
    limit: timedelta


_EACH_RUN = timedelta(0)
_DAILY = timedelta(hours=23, minutes=50)  # a timer of ten minutes meets the same hour each day
_DAYS = timedelta(days=3)  # two daily runs may fail

RHYTHMS: Mapping[Work, Rhythm] = MappingProxyType({
    Work.OLD_MEANS: Rhythm(every=_DAILY, limit=_DAYS),
    # Late readings are in the means of minutes within the hour, although five runs of the timer fail.
    Work.MEANS_1MIN: Rhythm(every=_EACH_RUN, limit=timedelta(hours=1)),
    Work.MEANS_1H: Rhythm(every=_EACH_RUN, limit=timedelta(hours=3)),
    # A legal day is refreshed two days after its end, so half a day more changes nothing that anybody reads.
    Work.MEANS_1DAY: Rhythm(every=timedelta(minutes=50), limit=timedelta(hours=12)),
    # Three days of readings that are not compressed take the space of a month of compressed ones.
    Work.COMPRESSION: Rhythm(every=_EACH_RUN, limit=_DAYS),
    Work.RETENTION: Rhythm(every=_EACH_RUN, limit=_DAYS),
    # It reads all old rows, so not at each run.
    Work.PRUNING: Rhythm(every=_DAILY, limit=_DAYS),
})  # fmt: skip


class WorkState(Struct, frozen=True, kw_only=True):
    """When upkeep last did a work, and when TimescaleDB's scheduler last did it; None: never."""

    work: Work
    succeeded_at: datetime | None
    scheduler_done_at: datetime | None


class DueDecision(StrEnum):
    """Whether upkeep does a work now."""

    RUN = "run"
    NOT_DUE = "not due"
    SCHEDULER = "done by TimescaleDB's scheduler"


def select_works(settings: RetentionSettings, *, timescale: bool) -> list[Work]:
    """Return the works that these settings call for on a server with or without TimescaleDB."""
    drops = (settings.raw_days, settings.minute_days, settings.hour_days, settings.day_days)
    prunes = (settings.evidence_days, settings.shadow_days, settings.selftest_days)
    is_wanted = {
        Work.OLD_MEANS: timescale,
        Work.MEANS_1MIN: timescale,
        Work.MEANS_1H: timescale,
        Work.MEANS_1DAY: timescale,
        Work.COMPRESSION: timescale and settings.compress_after_days is not None,
        Work.RETENTION: timescale and any(drops),
        Work.PRUNING: any(prunes) or (not timescale and settings.raw_days is not None),
    }
    return [work for work in Work if is_wanted[work]]


def decide(state: WorkState, now: datetime) -> DueDecision:
    """Decide whether a work is due. A scheduler that succeeded within half the limit does it without us."""
    rhythm = RHYTHMS[state.work]
    if state.succeeded_at is not None and now - state.succeeded_at < rhythm.every:
        return DueDecision.NOT_DUE
    if state.scheduler_done_at is not None and now - state.scheduler_done_at < rhythm.limit / 2:
        return DueDecision.SCHEDULER
    return DueDecision.RUN
