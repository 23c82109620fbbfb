"""The newest minute of one property at one station."""

import pytest

from gateway.api.data.minute_window import MinuteWindow


@pytest.mark.parametrize(
    ("directions", "mean"), [([350.0, 10.0], 0.0), ([80.0, 100.0], 90.0), ([359.0, 1.0, 3.0], 1.0), ([270.0], 270.0)]
)
def test_the_mean_of_directions_is_circular_and_they_have_no_maximum(directions, mean):
    minute = MinuteWindow("deg", [(1_000 * i, value, 0) for i, value in enumerate(directions)]).minute
    assert (minute.mean - mean + 180) % 360 - 180 == pytest.approx(0.0, abs=0.01)
    assert minute.max is None


def test_a_minute_drops_older_readings_and_counts_only_values():
    window = MinuteWindow("ug/m3", [(0, 5.0, 0), (30_000, None, 16)])
    window.add([(60_000, 7.0, 0), (30_000, 99.0, 0)])
    assert (window.minute.mean, window.minute.max, window.minute.valid_count) == (7.0, 7.0, 1)
    assert len(window.minute.flags) == 1
