"""The wind of an area: a vector mean of the stations that measure it now."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from gateway.api.data.area_wind import compute_area_wind
from gateway.api.data.minute_window import MinuteWindow
from gateway.api.data.registry import PublicRegistry, StationRow

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def windows(direction, speed, age=10):
    at = int((NOW - timedelta(seconds=age)).timestamp() * 1_000)
    return {
        "wind_direction": MinuteWindow("deg", [(at, direction, 0)]),
        "wind_speed": MinuteWindow("m/s", [(at, speed, 0)]),
    }


def compute(**stations):
    rows = {name: StationRow(id=name, area="ijmond", name=name, latitude=52.5, longitude=4.6) for name in stations}
    return compute_area_wind(PublicRegistry(stations=rows), stations, "ijmond", NOW)


def test_north_east_and_north_west_are_north():
    wind = compute(a=windows(315.0, 4.0), b=windows(45.0, 4.0))
    assert wind.direction == pytest.approx(0.0, abs=1e-9) or wind.direction == pytest.approx(360.0)
    assert wind.speed == pytest.approx(4.0 * 2**-0.5)
    assert wind.stations == 2


def test_a_calm_has_no_direction_and_lowers_the_mean():
    assert compute(a=windows(90.0, 0.1)).direction is None
    assert compute(a=windows(90.0, 4.0), b=windows(200.0, 0.0)).speed == pytest.approx(2.0)
    assert compute(a=windows(90.0, 4.0), b=windows(200.0, 0.0)).direction == pytest.approx(90.0)


def test_opposite_winds_are_no_wind():
    assert compute(a=windows(90.0, 4.0), b=windows(270.0, 4.0)).direction is None


def test_old_values_other_areas_and_half_a_measurement_do_not_count():
    assert compute(a=windows(90.0, 4.0, age=300)) is None
    assert compute(a={"wind_speed": windows(90.0, 4.0)["wind_speed"]}) is None
    assert compute(a={}) is None
    elsewhere = SimpleNamespace(id="a", area="nijmegen")
    assert compute_area_wind(PublicRegistry(stations={"a": elsewhere}), {"a": windows(1.0, 1.0)}, "ijmond", NOW) is None
