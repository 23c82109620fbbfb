"""Which works there are, and when each is due: laws of pure decisions."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.store.retention import RetentionSettings
from gateway.store.upkeep.status import WorkStatus, sort_status
from gateway.store.upkeep.work import RHYTHMS, DueDecision, Work, WorkState, decide, select_works

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
ages = st.none() | st.timedeltas(timedelta(0), timedelta(days=10))
days = st.none() | st.integers(40, 4000)


def state(work, succeeded_ago=None, scheduler_ago=None):
    return WorkState(
        work=work,
        succeeded_at=None if succeeded_ago is None else NOW - succeeded_ago,
        scheduler_done_at=None if scheduler_ago is None else NOW - scheduler_ago,
    )


def test_every_work_has_a_rhythm_and_upkeep_does_it_long_before_it_stands_still():
    assert RHYTHMS.keys() == set(Work)
    assert all(rhythm.every + timedelta(minutes=30) < rhythm.limit for rhythm in RHYTHMS.values())


@given(work=st.sampled_from(Work), succeeded_ago=ages, scheduler_ago=ages)
def test_no_work_stands_still_while_runs_succeed(work, succeeded_ago, scheduler_ago):
    """A work past its limit by both reports is done now."""
    limit = RHYTHMS[work].limit
    if all(age is None or age > limit for age in (succeeded_ago, scheduler_ago)):
        assert decide(state(work, succeeded_ago, scheduler_ago), NOW) is DueDecision.RUN


def test_a_means_that_the_scheduler_refreshes_is_left_to_it():
    assert decide(state(Work.MEANS_1MIN, None, timedelta(minutes=2)), NOW) is DueDecision.SCHEDULER
    assert decide(state(Work.MEANS_1MIN, None, timedelta(minutes=31)), NOW) is DueDecision.RUN


def test_old_means_are_refreshed_once_a_day():
    assert decide(state(Work.OLD_MEANS, timedelta(hours=23)), NOW) is DueDecision.NOT_DUE
    assert decide(state(Work.OLD_MEANS, timedelta(hours=24)), NOW) is DueDecision.RUN


@given(raw=days, evidence=days, minute=days, compress=st.none() | st.integers(1, 30), timescale=st.booleans())
def test_a_work_exists_if_and_only_if_there_is_something_to_do(raw, evidence, minute, compress, timescale):
    settings = RetentionSettings(raw_days=raw, evidence_days=evidence, minute_days=minute, compress_after_days=compress)
    works = select_works(settings, timescale=timescale)
    assert (Work.MEANS_1MIN in works) == (Work.OLD_MEANS in works) == timescale
    assert (Work.COMPRESSION in works) == (timescale and compress is not None)
    assert (Work.RETENTION in works) == (timescale and (raw, minute) != (None, None))
    assert (Work.PRUNING in works) == (evidence is not None or (raw is not None and not timescale))


def status(work, done_ago, failed_ago=None):
    failed_at = None if failed_ago is None else NOW - failed_ago
    return WorkStatus(work=work, done_at=NOW - done_ago, failed_at=failed_at, error="no space", read_at=NOW)


def test_a_work_stands_still_after_its_limit_and_shows_the_error_of_its_last_run():
    limit = RHYTHMS[Work.MEANS_1H].limit
    assert not status(Work.MEANS_1H, limit).stands_still
    assert status(Work.MEANS_1H, limit + timedelta(seconds=1)).stands_still
    assert status(Work.MEANS_1H, limit, timedelta(minutes=1)).last_error == "no space"
    assert status(Work.MEANS_1H, timedelta(minutes=1), limit).last_error is None


def test_works_that_this_version_does_not_have_are_left_out():
    rows = [status("vacuum", timedelta(0)), status(Work.PRUNING, timedelta(0)), status(Work.OLD_MEANS, timedelta(0))]
    assert [row.work for row in sort_status(rows)] == [Work.OLD_MEANS, Work.PRUNING]
