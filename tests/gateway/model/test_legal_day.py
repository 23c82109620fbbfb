"""A legal day begins at the first moment with its midnight on the clock, and ends where the next begins."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.vocabulary import LOCAL_TIMEZONE
from gateway.model.legal_day import (
    LEGAL_TIME_ZONE,
    TimeZoneError,
    check_time_zone,
    day_start,
    legal_date,
    list_day_edges,
    next_day,
)

ZONES = [
    "Europe/Amsterdam",
    "America/Kralendijk",
    "America/St_Johns",
    "Pacific/Chatham",
    "Australia/Lord_Howe",  # sets its clocks by half an hour
    "Atlantic/Azores",  # in October midnight occurs twice
    "America/Havana",  # as in the Azores
    "Africa/Cairo",  # in April there is no midnight
    "UTC",
]
START = datetime(2024, 1, 1, tzinfo=UTC)
moments = st.integers(0, 4 * 365 * 86_400).map(lambda seconds: START + timedelta(seconds=seconds))


@given(at=moments, zone=st.sampled_from(ZONES))
def test_every_moment_is_in_one_day_and_days_follow_each_other(at, zone):
    start, end = day_start(at, zone), next_day(at, zone)
    assert start <= at < end
    assert timedelta(hours=23) <= end - start <= timedelta(hours=25)
    assert day_start(end, zone) == end
    assert next_day(start - timedelta(microseconds=1), zone) == start
    assert legal_date(start, zone) == legal_date(end - timedelta(microseconds=1), zone) == legal_date(at, zone)


@pytest.mark.parametrize(
    ("zone", "at", "start", "hours"),
    [
        ("Europe/Amsterdam", "2026-03-28T23:30Z", "2026-03-28T23:00Z", 23),
        ("Europe/Amsterdam", "2026-10-25T00:30Z", "2026-10-24T22:00Z", 25),
        ("Atlantic/Azores", "2026-10-25T00:30Z", "2026-10-25T00:00Z", 25),
        ("Atlantic/Azores", "2026-10-25T01:30Z", "2026-10-25T00:00Z", 25),
        ("Africa/Cairo", "2026-04-23T23:00Z", "2026-04-23T22:00Z", 23),
        ("America/St_Johns", "2026-11-21T02:00Z", "2026-11-20T03:30Z", 24),
        ("America/St_Johns", "2026-11-01T03:00Z", "2026-11-01T02:30Z", 25),
        ("Pacific/Chatham", "2026-11-21T10:15Z", "2026-11-21T10:15Z", 24),
        ("Australia/Lord_Howe", "2026-04-04T14:00Z", "2026-04-04T13:00Z", 24.5),
    ],
)
def test_the_days_of_the_change_of_clocks(zone, at, start, hours):
    moment, expected = (datetime.fromisoformat(text) for text in (at, start))
    assert day_start(moment, zone) == expected
    assert next_day(moment, zone) - expected == timedelta(hours=hours)


def test_a_clock_that_was_set_back_across_midnight_does_not_reopen_the_day_before():
    first, again = (datetime.fromisoformat(text) for text in ("2010-11-07T02:30:30Z", "2010-11-07T02:31:30Z"))
    assert again.astimezone(tz=None) > first
    assert day_start(first, "America/St_Johns") == day_start(again, "America/St_Johns")


@pytest.mark.parametrize("zone", ["Europe/Amsterdam", "Asia/Kolkata", "America/St_Johns"])
def test_edges_of_days_are_where_one_day_ends_and_the_next_begins(zone):
    first = date(2026, 3, 25)
    edges = list_day_edges(first, date(2026, 11, 5), zone)
    assert len(edges) == (date(2026, 11, 5) - first).days + 1
    for number, (begin, end) in enumerate(pairwise(edges)):
        assert legal_date(begin, zone) == first + timedelta(days=number)
        assert day_start(end - timedelta(seconds=1), zone) == begin
        assert next_day(begin, zone) == end


def test_an_unknown_zone_is_named():
    with pytest.raises(TimeZoneError, match="no time zone 'Europe/Amsterdm'"):
        check_time_zone("Europe/Amsterdm")
    assert check_time_zone("Pacific/Chatham") == "Pacific/Chatham"


@given(at=moments)
def test_messages_and_figures_speak_of_the_same_day(at):
    """Digests, known sources and case systems take the date of the Dutch clock."""
    assert at.astimezone(LOCAL_TIMEZONE).date() == legal_date(at)
    assert str(LOCAL_TIMEZONE) == LEGAL_TIME_ZONE
