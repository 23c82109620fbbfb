"""The database and Python have the same legal days, and means over them are of exactly the readings in them."""

from datetime import UTC, datetime, timedelta
from statistics import fmean

import pytest

from gateway.export.selection import QUERIES, MeanRow
from gateway.model.legal_day import day_start, next_day
from tests.gateway.model.test_legal_day import ZONES
from tests.gateway.store.stored_readings import store_readings

SPRING, AUTUMN = datetime(2026, 3, 20, tzinfo=UTC), datetime(2026, 10, 20, tzinfo=UTC)


@pytest.mark.parametrize("zone", ZONES)
def test_the_days_of_two_years_are_those_of_python(connection, zone):
    since, until = datetime(2025, 1, 1, 5, 55, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    expected, start = [], next_day(since, zone)
    while start < until:
        expected.append((start, next_day(start, zone)))
        start = next_day(start, zone)
    days = connection.execute("SELECT * FROM legal_days(%s, %s, %s)", (since, until, zone)).fetchall()
    assert sorted(days) == expected


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("first", [SPRING, AUTUMN])
def test_a_mean_of_a_day_is_of_the_readings_from_its_start_up_to_its_end(connection, zone, first):
    """A reading every quarter of an hour over nineteen days with a change of clocks; each has its own value."""
    times = [first + timedelta(minutes=15 * i) for i in range(19 * 96)]
    id_ = store_readings(connection, first, [(float(i), 0) for i in range(len(times))], step=900.0)
    period = {"ids": [id_], "start": times[0], "end": times[-1], "time_zone": zone}
    means = [MeanRow._make(row) for row in connection.execute(QUERIES["export_1day"], period).fetchall()]
    by_day = {}
    for i, at in enumerate(times):
        by_day.setdefault((day_start(at, zone), next_day(at, zone)), []).append(float(i))
    expected = {day: values for day, values in by_day.items() if times[0] <= day[0] < times[-1]}
    assert {(mean.start, mean.end): mean.readings for mean in means} == {day: len(v) for day, v in expected.items()}
    assert [mean.mean for mean in means] == [pytest.approx(fmean(values)) for _, values in sorted(expected.items())]
