"""Figures of a report, beside slow and obvious counts."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.averaging import AveragingRule
from gateway.api.schemas.plumes import Plume
from gateway.export.selection import MeanRow
from gateway.model.delays import summarise_delays
from gateway.reports.loading import list_days
from gateway.reports.statistics import Day, count_expected, summarise_days
from gateway.reports.weeks import group_by_week

FIRST = date(2026, 11, 1)
RULE = AveragingRule.ARITHMETIC
DAYS = list_days(FIRST, FIRST + timedelta(days=30), "Europe/Amsterdam")


def make_row(day: Day, valid, *, expected=86_400, mean=10.0, highest=20.0):
    return MeanRow(
        datastream=1, start=day.start, end=day.end, readings=valid, valid_count=valid, expected_count=expected,
        mean=mean if valid else None, min=1.0 if valid else None, max=highest if valid else None, flags=0,
    )  # fmt: skip


ROWS = st.lists(
    st.none() | st.tuples(st.integers(0, 86_400), st.floats(0, 1e6), st.floats(0, 1e6)), min_size=30, max_size=30
).map(
    lambda days: [
        make_row(day, values[0], mean=values[1], highest=values[2])
        for day, values in zip(DAYS, days, strict=True)
        if values is not None
    ]
)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200))
def test_delays_are_those_of_numpy(seconds):
    delays = summarise_delays(seconds)
    assert delays.count == len(seconds)
    assert delays.median == pytest.approx(np.median(seconds))
    assert delays.percentile_95 == np.percentile(seconds, 95, method="inverted_cdf")
    assert sum(value <= delays.percentile_95 for value in seconds) >= 0.95 * len(seconds)


def test_without_a_delivery_there_is_no_delay():
    assert summarise_delays([]) is None


@given(ROWS)
def test_only_complete_days_give_levels_and_missing_days_are_counted(rows):
    capture = summarise_days(DAYS, rows, RULE)
    complete = [row for row in rows if row.valid_count >= 0.75 * 86_400]
    assert capture.complete_days == len(complete)
    assert capture.valid == sum(row.valid_count for row in rows)
    assert capture.empty_days == 30 - sum(row.valid_count > 0 for row in rows)
    assert (capture.mean is None) == (len(complete) < 0.75 * 30)
    if capture.mean is not None:
        weights = [row.valid_count for row in complete]
        assert capture.mean == pytest.approx(np.average([row.mean for row in complete], weights=weights))
    assert list(capture.means) == [row.mean for row in complete]
    assert (capture.highest and capture.highest.value) == max((row.mean for row in complete), default=None)
    if rows:
        assert capture.expected == 30 * 86_400
        assert 0 <= capture.share <= 1


@given(ROWS)
def test_a_day_without_readings_changes_no_level_but_the_capture(rows):
    first, *later_days = DAYS
    without = [row for row in rows if row.start != first.start]
    emptied = [make_row(first, 0), *without]
    before, after = summarise_days(DAYS, without, RULE), summarise_days(DAYS, emptied, RULE)
    assert (before.highest, before.mean) == (after.highest, after.mean)
    assert summarise_days(later_days, without, RULE).valid == before.valid


@given(ROWS, st.sampled_from(AveragingRule))
def test_mean_of_a_period_is_that_of_all_readings_by_the_rule_of_the_property(rows, rule):
    """A level of sound is a logarithm: a quiet day and a loud day together are nearly as loud as the loud day."""
    rows = [row._replace(mean=min(row.mean, 150.0)) for row in rows if row.mean is not None]
    capture = summarise_days(DAYS, rows, rule)
    if capture.mean is not None:
        complete = [(row.mean, row.valid_count) for row in rows if row.valid_count >= 0.75 * 86_400]
        count = sum(valid for _, valid in complete)
        expected = {
            AveragingRule.ARITHMETIC: sum(mean * valid for mean, valid in complete) / count,
            AveragingRule.ENERGY: 10 * np.log10(sum(10 ** (mean / 10) * valid for mean, valid in complete) / count),
            AveragingRule.QUADRATIC: np.sqrt(sum(mean**2 * valid for mean, valid in complete) / count),
        }
        assert capture.mean == pytest.approx(expected[rule])


def test_an_unknown_interval_is_no_number():
    rows = [make_row(DAYS[0], 100, expected=None)]
    capture = summarise_days(DAYS, rows, RULE)
    assert (capture.expected, capture.share, capture.complete_days, capture.mean) == (None, None, 0, None)
    assert capture.reading.value == 20.0


@pytest.mark.parametrize(
    ("first", "last", "hours"),
    [(date(2026, 3, 29), date(2026, 3, 30), 23), (date(2026, 10, 25), date(2026, 10, 26), 25)],
)
def test_days_are_legal_ones_of_23_to_25_hours(first, last, hours):
    (day,) = list_days(first, last, "Europe/Amsterdam")
    assert day.end - day.start == timedelta(hours=hours)
    assert day.start.astimezone(UTC) == datetime.combine(first, datetime.min.time(), UTC) - timedelta(
        hours=1 if first.month == 3 else 2
    )
    before = list_days(first - timedelta(days=1), first, "Europe/Amsterdam")[0]
    expected = 3_600 * hours
    rows = [make_row(before, 86_400, expected=86_400)]
    assert count_expected([before, day], rows) == 86_400 + expected


def make_plume(onset, severity="minor", state="over", acknowledged_at=None):
    return Plume(
        id="p", revision=1, state=state, kind="peak", area="ijmond", severity=severity, confidence=0.9, onset=onset,
        end=onset, detected_at=onset, changed_at=onset, leading="p", properties=["pm2_5"], stations=[], events=[],
        notified=[], acknowledged_at=acknowledged_at,
    )  # fmt: skip


@given(ROWS)
def test_the_weeks_add_up_to_the_period(rows):
    plumes = [make_plume("2026-11-01T22:59:00Z"), make_plume("2026-11-01T23:01:00Z", "severe"),
              make_plume("2026-11-14T12:00:00Z", state="voided")]  # fmt: skip
    weeks = group_by_week(DAYS, plumes, [(DAYS, rows)], "Europe/Amsterdam")
    assert [week.number for week in weeks] == [44, 45, 46, 47, 48, 49]
    assert sum(week.valid for week in weeks) == sum(row.valid_count for row in rows)
    assert [week.plumes for week in weeks] == [1, 1, 0, 0, 0, 0], "a Sunday evening belongs to the week that ends"
    assert [week.voided for week in weeks] == [0, 0, 1, 0, 0, 0]
    if rows:
        assert sum(week.expected for week in weeks) == count_expected(DAYS, rows)
