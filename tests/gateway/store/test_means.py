"""Means are of valid values only; one value cannot spoil an answer; a day is a legal day."""

from datetime import UTC, datetime, timedelta
from statistics import fmean

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent.wire import Flag
from gateway.export.selection import QUERIES, MeanRow
from gateway.model.validity import is_undated, mark_impossible, valid_value
from tests.gateway.store.stored_readings import store_readings

START = datetime(2026, 11, 20, 22, 0, tzinfo=UTC)
ABSURD = 6553.4


def fetch_means(connection, ids, *, averaging="1min", start=START, hours=3.0, zone="Europe/Amsterdam"):
    period = {"ids": ids, "start": start, "end": start + timedelta(hours=hours), "time_zone": zone}
    rows = connection.execute(QUERIES[f"export_{averaging}"], period).fetchall()
    return [MeanRow._make(row) for row in rows]


def test_a_minute_with_a_flagged_reading_is_the_mean_of_the_others(connection):
    id_ = store_readings(connection, START, [(8.0, 0)] * 30 + [(ABSURD, Flag.SENSOR_FAULT)] + [(8.0, 0)] * 29)
    for averaging in ("1min", "1h"):
        (mean,) = fetch_means(connection, [id_], averaging=averaging)
        assert (mean.readings, mean.valid_count, mean.mean, mean.min, mean.max) == (60, 59, 8.0, 8.0, 8.0)
        assert mean.flags == Flag.SENSOR_FAULT


@pytest.mark.parametrize("value", [2e200, -2e200, 1.5e308, float("inf"), float("nan")])
def test_one_value_beyond_every_bound_stays_out_of_every_mean(connection, value):
    """Stored by an earlier version, without a flag."""
    id_ = store_readings(connection, START, [(8.0, 0), (value, 0), (8.0, 0), (value, 0)])
    for averaging in ("1min", "1h", "1day"):
        (mean,) = fetch_means(connection, [id_], averaging=averaging, start=START - timedelta(days=1), hours=48)
        assert (mean.readings, mean.valid_count, mean.mean, mean.max) == (4, 2, 8.0, 8.0)
        assert mean.flags == Flag.OUT_OF_RANGE


def test_without_a_valid_value_the_mean_is_none_and_has_the_flags(connection):
    id_ = store_readings(connection, START, [(8.0, Flag.WARM_UP), (None, Flag.STALE)])
    (mean,) = fetch_means(connection, [id_])
    assert (mean.readings, mean.valid_count, mean.mean, mean.min, mean.max) == (2, 0, None, None, None)
    assert mean.flags == Flag.WARM_UP | Flag.STALE


def test_an_undated_reading_is_in_no_bucket(connection):
    id_ = store_readings(connection, START, [(8.0, 0), (9.0, Flag.TIME_SUSPECT)])
    (mean,) = fetch_means(connection, [id_])
    assert (mean.readings, mean.mean, mean.flags) == (1, 8.0, 0)


def test_a_doubtful_value_counts_and_is_marked(connection):
    id_ = store_readings(connection, START, [(8.0, 0), (10.0, Flag.JUMP)])
    (mean,) = fetch_means(connection, [id_])
    assert (mean.valid_count, mean.mean, mean.flags) == (2, 9.0, Flag.JUMP)


def test_the_mean_of_directions_leaves_out_those_that_do_not_count(connection):
    readings = [(350.0, 0), (10.0, 0), (180.0, Flag.SENSOR_FAULT), (990.0, Flag.OUT_OF_RANGE)]
    id_ = store_readings(connection, START, readings, observed_property="wind_direction")
    for averaging in ("1min", "1h", "1day"):
        (mean,) = fetch_means(connection, [id_], averaging=averaging, start=START - timedelta(days=1), hours=48)
        assert (mean.mean + 180) % 360 - 180 == pytest.approx(0.0, abs=1e-9)
        assert (mean.valid_count, mean.min, mean.max) == (2, None, None)


readings_strategy = st.lists(
    st.tuples(
        st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), st.floats(-50, 1500)),
        st.one_of(st.just(0), st.sampled_from([int(flag) for flag in Flag]), st.integers(0, 32_767)),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(readings=readings_strategy)
def test_the_means_equal_those_of_an_oracle_for_any_values_and_flags(connection, readings):
    with connection.transaction(force_rollback=True):
        id_ = store_readings(connection, START, readings)
        means = fetch_means(connection, [id_])
    dated = [(value, mark_impossible(value, flags)) for value, flags in readings if not is_undated(flags)]
    values = [value for value, flags in dated if valid_value(value, flags) is not None]
    if not dated:
        assert means == []
        return
    (mean,) = means
    flags = 0
    for _, bits in dated:
        flags |= bits
    assert (mean.readings, mean.valid_count, mean.flags) == (len(dated), len(values), flags)
    assert mean.mean == (pytest.approx(fmean(values)) if values else None)
    assert (mean.min, mean.max) == ((min(values), max(values)) if values else (None, None))


@pytest.mark.parametrize(
    ("day", "hours"), [(datetime(2026, 3, 29, tzinfo=UTC), 23), (datetime(2026, 10, 25, tzinfo=UTC), 25)]
)
def test_a_day_is_the_legal_day_with_its_start_and_end(connection, day, hours):
    """One reading per half hour around the change of the clocks; 8 on that day, 100 on the days beside it."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=1 if day.month == 3 else 2)
    end = start + timedelta(hours=hours)
    first = start - timedelta(hours=4)
    times = [first + timedelta(minutes=30 * i) for i in range(2 * (hours + 8))]
    id_ = store_readings(connection, first, [(8.0 if start <= at < end else 100.0, 0) for at in times], step=1800.0)
    days = fetch_means(connection, [id_], averaging="1day", start=start - timedelta(days=1), hours=72)
    (mean,) = [row for row in days if row.start == start]
    assert (mean.end, mean.readings, mean.mean, mean.max) == (end, 2 * hours, 8.0, 8.0)
    assert mean.expected_count == 2 * hours


def test_another_time_zone_has_other_days(connection):
    id_ = store_readings(connection, START, [(8.0, 0)] * 120, step=60.0)  # 22:00 to 24:00 UTC
    utc = fetch_means(connection, [id_], averaging="1day", start=START - timedelta(days=2), hours=96, zone="UTC")
    assert [(row.start.hour, row.readings) for row in utc] == [(0, 120)]
    dutch = fetch_means(connection, [id_], averaging="1day", start=START - timedelta(days=2), hours=96)
    assert [(row.start.hour, row.readings) for row in dutch] == [(23, 60), (23, 60)]


@pytest.mark.parametrize(
    ("step", "readings", "expected"), [(1.0, 600, 60), (0.1, 600, 600), (10.0, 60, 6), (60.0, 60, 1), (145.3, 60, 1)]
)
def test_a_complete_minute_is_known_from_the_step_between_readings(connection, step, readings, expected):
    id_ = store_readings(connection, START, [(8.0, 0)] * readings, step=step)
    assert {mean.expected_count for mean in fetch_means(connection, [id_])} == {expected}


def test_lost_readings_do_not_change_the_expected_count_of_a_minute(connection):
    """Every fifth reading of the second half is missing, and a fault without values still shows the rhythm."""
    id_ = store_readings(connection, START, [(8.0, 0)] * 300)
    later = START + timedelta(minutes=5)
    for second in range(300):
        if second % 5:
            store_readings(connection, later + timedelta(seconds=second), [(None, Flag.SENSOR_FAULT)])
    means = fetch_means(connection, [id_])
    assert {mean.expected_count for mean in means} == {60}
    assert [(mean.readings, mean.valid_count) for mean in means] == [(60, 60)] * 5 + [(48, 0)] * 5


def test_the_expected_count_is_unknown_for_fewer_than_three_steps(connection):
    id_ = store_readings(connection, START, [(8.0, 0)] * 3)
    assert [mean.expected_count for mean in fetch_means(connection, [id_])] == [None]


def test_two_datastreams_do_not_mix(connection):
    id_ = store_readings(connection, START, [(8.0, 0)] * 60)
    other = store_readings(connection, START, [(20.0, 0)] * 60, observed_property="pm10")
    means = fetch_means(connection, [id_, other])
    assert {(mean.datastream, mean.mean) for mean in means} == {(id_, 8.0), (other, 20.0)}


def test_an_interval_that_changes_between_two_hours_gives_each_hour_and_the_day_its_expected_count(connection):
    """Once a minute, and once a second from one hour on: a day of which no reading is missing is complete."""
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    change = day + timedelta(hours=22)
    id_ = store_readings(connection, day, [(8.0, 0)] * (22 * 60), step=60.0)
    store_readings(connection, change, [(8.0, 0)] * 7200, step=1.0)
    hours = fetch_means(connection, [id_], averaging="1h", start=day, hours=24)
    assert [row.expected_count for row in hours] == [row.readings for row in hours] == [60] * 22 + [3600] * 2
    (mean,) = fetch_means(connection, [id_], averaging="1day", start=day, hours=24, zone="UTC")
    assert mean.expected_count == mean.readings == 22 * 60 + 7200
