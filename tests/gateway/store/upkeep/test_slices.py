"""Spans of a refresh: they cover every day with readings, ascending, and never what may have been deleted."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.store.upkeep.slices import (
    VIEWS,
    find_border,
    find_recent_start,
    floor_day,
    iterate_spans,
    list_days,
)

NOW = datetime(2026, 11, 29, 12, 34, tzinfo=UTC)
DAY = timedelta(days=1)
AMSTERDAM = ZoneInfo("Europe/Amsterdam")
views = st.sampled_from(VIEWS)
ages = st.timedeltas(timedelta(0), timedelta(days=200))


def bucket_of(view, moment):
    """[start, end) of the bucket that a moment lies in."""
    if view.name == "observation_1day":
        local = moment.astimezone(AMSTERDAM).replace(hour=0, minute=0, second=0, microsecond=0)
        return local.astimezone(UTC), (local + DAY).astimezone(UTC)
    width = timedelta(hours=1) if view.name == "observation_1h" else timedelta(minutes=1)
    start = moment - (moment - floor_day(moment)) % width
    return start, start + width


@given(view=views, ages=st.lists(ages, min_size=1, max_size=8))
def test_the_bucket_of_every_reading_that_is_old_enough_lies_in_a_span(view, ages):
    moments = [NOW - age for age in ages]
    days = list_days((moment, moment + timedelta(seconds=1)) for moment in moments)
    until = NOW - view.lag
    spans = list(iterate_spans(view, days, since=None, until=until))
    for moment in moments:
        start, end = bucket_of(view, moment)
        if end < until - view.shortest:
            assert any(since <= start and end <= until for since, until in spans), (moment, spans)


@given(view=views, ages=st.lists(ages, max_size=8), border=ages)
def test_spans_ascend_end_before_the_lag_hold_a_bucket_and_never_cross_the_border(view, ages, border):
    days = list_days((NOW - age, NOW - age + DAY) for age in ages)
    since, until = NOW - border, NOW - view.lag
    spans = list(iterate_spans(view, days, since=since, until=until))
    assert spans == sorted(spans)
    for start, end in spans:
        assert since <= start
        assert end <= until
        assert end - start >= view.shortest


@given(view=views, filled_ago=st.none() | ages)
def test_a_recent_run_leaves_no_gap_after_the_filled_period(view, filled_ago):
    filled_until = None if filled_ago is None else NOW - filled_ago
    since = find_recent_start(view, NOW, filled_until)
    if filled_until is None:
        assert since is None
    else:
        assert since <= filled_until
        assert since <= NOW - view.reach


def test_a_chunk_of_an_hour_and_a_chunk_of_a_week_give_days():
    start = datetime(2026, 11, 1, tzinfo=UTC)
    assert list_days(
        [(start, start + timedelta(hours=1)), (start + timedelta(hours=1), start + timedelta(hours=2))]
    ) == [start]
    assert list_days([(start, start + timedelta(days=7))]) == [start + n * DAY for n in range(7)]


def test_a_reading_of_1970_costs_a_day_and_not_half_a_century():
    spans = [(datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 2, tzinfo=UTC)), (floor_day(NOW), NOW)]
    assert len(list_days(spans)) == 2


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_the_border_is_where_finer_values_or_the_means_themselves_were_deleted(view):
    finer, own = NOW - timedelta(days=100), NOW - timedelta(days=50)
    assert find_border(view, {}) is None
    assert find_border(view, {view.finer: finer}) == finer
    assert find_border(view, {view.finer: finer, view.name: own, "other": NOW}) == own
