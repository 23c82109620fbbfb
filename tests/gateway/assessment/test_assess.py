"""Means over hours, days and years are those of a slow and obvious twin; what cannot be assessed is refused."""

import math
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gateway.assessment.assess import UnassessedReason, assess_substance
from gateway.assessment.averaging import (
    average_days,
    count_runs,
    find_daily_maxima,
    place_hours,
    roll_means,
    seconds_at_or_above,
    select_complete_hours,
)
from gateway.assessment.indices import INDICES, classify_hour
from gateway.assessment.levels import LEVELS, LevelAveraging
from gateway.assessment.sentences import describe_refusal, name_class, name_index
from gateway.export.assessed import build_period

HOURS = arrays.arrays(
    np.float64, st.integers(1, 80), elements=st.one_of(st.just(math.nan), st.floats(0, 1e4, allow_nan=False))
)
ZONE = "Europe/Amsterdam"
LKI, EAQI = INDICES


def fill(period, mean):
    return np.full(period.hours, float(mean))


def find(assessment, level):
    return next(count for count in assessment.counts if count.level.id == level)


def find_refusal(assessment, level):
    return next(refusal for refusal in assessment.refusals if refusal.level.id == level)


@given(HOURS, st.integers(1, 30), st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_running_means_are_those_of_the_hours_before_each(series, width, needed):
    rolled = roll_means(series, width, needed)
    for hour in range(len(series)):
        window = [value for value in series[max(0, hour - width + 1) : hour + 1] if not math.isnan(value)]
        if len(window) < needed:
            assert math.isnan(rolled[hour])
        else:
            assert rolled[hour] == pytest.approx(sum(window) / len(window), rel=1e-12, abs=1e-9)


def test_a_running_mean_of_equal_hours_is_exactly_that_value_after_a_year_of_others():
    """A running total would leave a rounding error behind, and 50 would not be at or above 50."""
    series = np.concatenate([np.random.default_rng(1).uniform(0, 1e3, 8_760), np.full(24, 50.0)])
    assert roll_means(series, 24, 18)[-1] == 50.0


@given(HOURS, st.floats(0, 1e4), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_runs_are_counted_hour_by_hour(series, level, hours):
    expected = sum(
        all(not math.isnan(v) and v >= level for v in series[end - hours + 1 : end + 1])
        for end in range(hours - 1, len(series))
    )
    assert count_runs(series, level, hours) == expected


@pytest.mark.parametrize(("valid", "expected", "is_complete"), [
    (45, 60, True), (44, 60, False), (2_700, 3_600, True), (2_699, 3_600, False), (60, 0, False),
])  # fmt: skip
def test_an_hour_needs_three_quarters_of_its_readings(valid, expected, is_complete):
    hours = select_complete_hours(np.array([5.0]), np.array([valid]), np.array([expected]))
    assert np.isfinite(hours[0]) == is_complete


@pytest.mark.parametrize(("hours", "is_complete"), [(18, True), (17, False), (24, True), (0, False)])
def test_a_day_needs_eighteen_hours(hours, is_complete):
    period = build_period(date(2026, 11, 20), date(2026, 11, 21), ZONE)
    series = fill(period, math.nan)
    series[:hours] = 20.0
    assert np.isfinite(average_days(series, period.first, period.edges)[0]) == is_complete


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)])
def test_a_day_on_which_the_clock_changes_has_its_own_hours_and_each_hour_counts_once(day, hours):
    period = build_period(day - timedelta(days=1), day + timedelta(days=2), ZONE)
    assert period.edges[2] - period.edges[1] == hours * 3_600
    series = np.arange(period.hours, dtype=np.float64)
    means = average_days(series, period.first, period.edges)
    assert means[1] == pytest.approx(np.mean(series[24 : 24 + hours]))
    assert means[2] == pytest.approx(np.mean(series[24 + hours : 48 + hours]))
    assert period.hours == 48 + hours


def test_an_hour_that_contains_a_midnight_belongs_to_no_day():
    """India's days begin at half past an hour of UTC: 23 whole hours each."""
    period = build_period(date(2026, 6, 1), date(2026, 6, 3), "Asia/Kolkata")
    series = fill(period, 10.0)
    assert period.hours == 47
    assert list(average_days(series, period.first, period.edges)) == [10.0, 10.0]


def test_the_hour_of_a_leap_second_has_3600_seconds_as_any_other():
    """At the end of 2016 a second was inserted; Unix time repeats one."""
    period = build_period(date(2016, 12, 31), date(2017, 1, 2), "UTC")
    assert period.hours == 48
    assert [b - a for a, b in zip(period.edges, period.edges[1:], strict=False)] == [86_400, 86_400]
    assert seconds_at_or_above(fill(period, 60.0), 50, 3_600) == 48 * 3_600


def test_hours_in_any_order_take_their_places_and_others_are_left_out():
    first = 1_000 * 3_600
    start = np.array([first + 2 * 3_600, first - 3_600, first, first + 3 * 3_600])
    series = place_hours(start, np.array([3.0, 9.0, 1.0, 9.0]), first, 3)
    assert series[0] == 1.0
    assert math.isnan(series[1])
    assert series[2] == 3.0


def test_days_at_or_above_a_level_are_counted_with_their_seconds():
    period = build_period(date(2026, 11, 1), date(2026, 11, 6), ZONE)
    series = np.repeat([14.9, 15.0, 24.0, 25.0, 40.0], 24)
    series[-10:] = math.nan  # the last day has fourteen hours: it does not count
    count = find(assess_substance("pm2_5", series, period, None), "who-2021-pm2_5-day")
    assert (count.at_or_above, count.complete, count.periods, count.seconds) == (3, 4, 5, 3 * 86_400)
    assert count.highest == 25.0


@pytest.mark.parametrize("level", [level for level in LEVELS.values() if level.averaging is LevelAveraging.DAY],
                         ids=lambda level: level.id)  # fmt: skip
def test_a_day_of_exactly_the_level_counts_and_the_one_below_does_not(level):
    period = build_period(date(2026, 11, 1), date(2026, 11, 2), ZONE)
    for mean, at_or_above in ((level.value, 1), (math.nextafter(level.value, 0), 0)):
        count = find(assess_substance(level.substance, fill(period, mean), period, None), level.id)
        assert (count.at_or_above, count.seconds) == (at_or_above, at_or_above * 86_400)


def test_the_time_at_or_above_a_level_is_that_of_days_of_23_and_25_hours():
    for day, hours in ((date(2026, 3, 29), 23), (date(2026, 10, 25), 25)):
        period = build_period(day, day + timedelta(days=1), ZONE)
        count = find(assess_substance("pm10", fill(period, 60.0), period, None), "who-2021-pm10-day")
        assert count.seconds == hours * 3_600


def test_the_last_hours_give_the_running_means():
    period = build_period(date(2026, 11, 1), date(2026, 11, 3), ZONE)
    series = np.concatenate([fill(period, 1.0), np.full(8, 9.0)])
    rolling = assess_substance("pm10", series, period, None).rolling
    assert (rolling.hour, rolling.eight_hours, rolling.year) == (9.0, 9.0, None)
    assert rolling.day == pytest.approx((16 * 1.0 + 8 * 9.0) / 24)
    assert find(assess_substance("pm10", series, period, None), "who-2021-pm10-day").highest == 1.0


def test_three_hours_in_a_row_make_the_alert_threshold_of_sulphur_dioxide():
    period = build_period(date(2026, 11, 1), date(2026, 11, 2), ZONE)
    series = fill(period, 10.0)
    series[[3, 4, 10, 11, 12, 13]] = 350.0
    assessment = assess_substance("so2", series, period, None)
    assert find(assessment, "eu-alert-so2-1h").at_or_above == 2
    assert find(assessment, "eu-2026-so2-1h").at_or_above == 6
    assert find(assessment, "eu-2026-so2-1h").seconds == 6 * 3_600
    assert find_refusal(assessment, "who-2021-so2-10min").reason is UnassessedReason.SHORTER_THAN_AN_HOUR


def test_ozone_counts_the_highest_running_mean_of_eight_hours_of_a_day():
    period = build_period(date(2026, 7, 1), date(2026, 7, 3), ZONE)
    series = fill(period, 50.0)
    series[30:38] = 100.0
    count = find(assess_substance("o3", series, period, None), "who-2021-o3-8h")
    assert (count.at_or_above, count.complete, count.highest) == (1, 2, 100.0)
    rolled = roll_means(series, 8, 6)
    assert list(find_daily_maxima(rolled, period.first, period.edges)) == [50.0, 100.0]


YEAR = build_period(date(2025, 1, 1), date(2026, 1, 1), ZONE)


def test_a_year_with_two_fifths_of_its_hours_is_refused_with_one_sentence():
    series = fill(YEAR, 12.0)
    series[round(len(series) * 0.4) :] = math.nan
    refusal = find_refusal(assess_substance("pm2_5", series, YEAR, 0.85), "who-2021-pm2_5-year")
    assert refusal.reason is UnassessedReason.TOO_FEW_HOURS
    assert describe_refusal(refusal, "nl") == (
        "Van het jaar is 40,0 % van de uren compleet. Nodig is 85,0 %. Daarom is er geen jaargemiddelde."
    )
    assert describe_refusal(refusal, "en").startswith("40.0 % of the hours of the year are complete and 85.0 %")


def test_a_year_without_the_setting_is_refused_however_complete_it_is():
    refusal = find_refusal(assess_substance("pm2_5", fill(YEAR, 12.0), YEAR, None), "eu-2030-pm2_5-year")
    assert refusal.reason is UnassessedReason.NO_COVERAGE_SETTING
    assert "year_coverage" in describe_refusal(refusal, "en")


def test_a_month_gives_no_mean_over_a_year():
    period = build_period(date(2026, 10, 1), date(2026, 11, 1), ZONE)
    refusal = find_refusal(assess_substance("pm2_5", fill(period, 12.0), period, 0.1), "eu-2030-pm2_5-year")
    assert refusal.reason is UnassessedReason.NO_WHOLE_YEAR


@pytest.mark.parametrize(("mean", "at_or_above"), [(9.99, 0), (10.0, 1)])
def test_a_complete_year_is_compared(mean, at_or_above):
    count = find(assess_substance("pm2_5", fill(YEAR, mean), YEAR, 0.85), "eu-2030-pm2_5-year")
    assert (count.at_or_above, count.complete, count.periods, count.seconds) == (at_or_above, 1, 1, None)
    assert count.highest == mean


def test_a_year_is_from_a_date_to_the_same_date():
    assert YEAR.is_year
    assert build_period(date(2024, 3, 1), date(2025, 3, 1), ZONE).is_year
    assert not build_period(date(2025, 1, 1), date(2025, 12, 31), ZONE).is_year
    assert not build_period(date(2024, 1, 1), date(2026, 1, 1), ZONE).is_year


def test_a_substance_without_levels_has_no_row_at_all():
    period = build_period(date(2026, 11, 1), date(2026, 11, 2), ZONE)
    assessment = assess_substance("ch4", fill(period, 2.0), period, 0.9)
    assert (assessment.counts, assessment.refusals) == ([], [])


def test_a_period_without_any_complete_hour_is_refused():
    period = build_period(date(2026, 11, 1), date(2026, 11, 2), ZONE)
    assessment = assess_substance("pm10", fill(period, math.nan), period, 0.9)
    assert assessment.counts == []
    assert find_refusal(assessment, "who-2021-pm10-day").reason is UnassessedReason.NO_COMPLETE_PERIOD
    assert assessment.share == 0.0


@pytest.mark.parametrize("level", [level for level in LEVELS.values() if level.substance in {"pm10", "pm2_5"}],
                         ids=lambda level: level.id)  # fmt: skip
def test_no_hour_of_particulate_matter_changes_a_count_by_itself(level):
    """A peak of an hour that lifts no day to the level is at or above nothing."""
    period = build_period(date(2026, 11, 1), date(2026, 11, 3), ZONE)
    series = fill(period, 0.0)
    series[5] = level.value * 2
    assert all(count.at_or_above == 0 for count in assess_substance(level.substance, series, period, 0.5).counts)


@pytest.mark.parametrize(("value", "lki", "eaqi"), [
    (0, 1, 1), (4.9, 1, 1), (5, 1, 1), (5.1, 1, 2), (9.99, 1, 2), (10, 2, 2), (15, 3, 2), (15.1, 3, 3), (100, 10, 5),
    (140, 10, 5), (140.1, 10, 6), (1e6, 10, 6),
])  # fmt: skip
def test_the_class_of_a_value_is_that_of_the_table(value, lki, eaqi):
    assert classify_hour(LKI, {"pm2_5": value}).number == lki
    assert classify_hour(EAQI, {"pm2_5": value}).number == eaqi


def test_particulate_matter_alone_is_a_sub_index_and_never_the_index():
    index_class = classify_hour(LKI, {"pm2_5": 12.0, "pm10": 46.0})
    assert (index_class.number, index_class.substance, index_class.is_whole) == (5, "pm10", False)
    assert name_index(index_class, "nl") == "deelindex PM volgens de Nederlandse luchtkwaliteitsindex (LKI)"
    assert name_class(index_class, "nl") == "5, matig"


def test_all_substances_make_the_index_and_gases_alone_another_sub_index():
    values = {"pm2_5": 1.0, "pm10": 1.0, "no2": 60.0, "o3": 1.0}
    whole = classify_hour(LKI, values)
    assert whole.is_whole
    assert (whole.number, whole.substance) == (6, "no2")
    assert name_index(whole, "en") == "Dutch air quality index (LKI)"
    assert not classify_hour(EAQI, values).is_whole, "sulphur dioxide is missing"
    assert name_index(classify_hour(EAQI, {"no2": 1.0}), "en").startswith("sub-index after the European")
    assert classify_hour(LKI, {"ch4": 2.0}) is None


def test_edges_of_a_period_are_moments_of_the_legal_day():
    period = build_period(date(2026, 10, 25), date(2026, 10, 26), ZONE)
    assert datetime.fromtimestamp(period.edges[0], UTC) == datetime(2026, 10, 24, 22, tzinfo=UTC)
    assert datetime.fromtimestamp(period.edges[1], UTC) == datetime(2026, 10, 25, 23, tzinfo=UTC)
