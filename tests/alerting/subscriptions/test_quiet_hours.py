"""Quiet hours and daily notices on the Dutch clock, also in the nights in which it changes."""

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.subscriptions.quiet_hours import QuietHours, find_next
from alerting.vocabulary import LOCAL_TIMEZONE

NIGHT = QuietHours(begin=time(22), end=time(7))


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "now", "end"),
    [
        (NIGHT, "2026-11-21T02:00", "2026-11-21T06:00"),
        (NIGHT, "2026-11-21T21:00", "2026-11-22T06:00"),  # 22:00 local: begins
        (NIGHT, "2026-11-21T20:59", None),
        (NIGHT, "2026-11-21T06:00", None),  # 07:00 local: has ended
        (QuietHours(begin=time(13), end=time(15)), "2026-07-01T11:30", "2026-07-01T13:00"),
        (QuietHours(begin=time(13), end=time(15)), "2026-07-01T13:00", None),
        # the clock goes back on 2026-10-25: 03:00 becomes 02:00, and the night is ten hours long
        (NIGHT, "2026-10-24T20:00", "2026-10-25T06:00"),
        (NIGHT, "2026-10-25T00:30", "2026-10-25T06:00"),
        (NIGHT, "2026-10-25T01:30", "2026-10-25T06:00"),
        (QuietHours(begin=time(22), end=time(2, 30)), "2026-10-25T00:45", "2026-10-25T01:30"),  # 02:45, then 02:00
        (QuietHours(begin=time(2, 30), end=time(5)), "2026-10-25T00:30", "2026-10-25T04:00"),  # from the first 02:30
        # it goes forward on 2026-03-29: 02:00 becomes 03:00, and the night is eight hours long
        (NIGHT, "2026-03-28T21:00", "2026-03-29T05:00"),
        (NIGHT, "2026-03-29T01:00", "2026-03-29T05:00"),
        (QuietHours(begin=time(22), end=time(2, 30)), "2026-03-29T00:59", "2026-03-29T01:30"),  # there is no 02:30
        (QuietHours(begin=time(2, 30), end=time(5)), "2026-03-29T01:30", "2026-03-29T03:00"),
    ],
)
def test_quiet_hours_end_on_the_dutch_clock(hours, now, end):
    assert hours.find_end(utc(now)) == (None if end is None else utc(end))


@given(
    st.integers(0, 2 * 365 * 24 * 60).map(
        lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    ),
    st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    st.times().map(lambda at: at.replace(second=0, microsecond=0)),
)
def test_the_end_of_quiet_hours_is_later_and_not_quiet_any_more(now, begin, end):
    if begin == end:
        return
    hours = QuietHours(begin=begin, end=end)
    finish = hours.find_end(now)
    if finish is not None:
        assert now < finish <= now + timedelta(hours=25)
        assert hours.find_end(finish) is None or (end < begin and finish.astimezone(LOCAL_TIMEZONE).time() >= begin)


@pytest.mark.parametrize(
    ("at", "now", "expected"),
    [
        (time(7, 30), "2026-11-21T02:00", "2026-11-21T06:30"),
        (time(7, 30), "2026-11-21T06:30", "2026-11-22T06:30"),
        (time(7, 30), "2026-10-24T06:00", "2026-10-25T06:30"),
        (time(7, 30), "2026-03-28T07:00", "2026-03-29T05:30"),
    ],
)
def test_the_daily_notice_goes_out_at_a_local_time(at, now, expected):
    assert find_next(at, utc(now)) == utc(expected)
