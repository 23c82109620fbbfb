"""The round maps of values by direction and speed of the wind show where the high values are."""

import math
import re

import pytest
from lxml import etree

from alerting.averaging import AveragingRule
from gateway.api.pages.wind_map import build_wind_maps
from tests.gateway.api.pages.test_polar import formats, mean

TITLES = ("mean", "high")
FORMATS = formats()


def build(values, directions, speeds):
    rows = zip(range(len(values)), values, directions, speeds, strict=True)
    means, from_, strength = [], [], []
    for hour, value, direction, speed in rows:
        means.append(mean(hour, value))
        from_.append(mean(hour, direction))
        strength.append(mean(hour, speed))
    return build_wind_maps(
        means, from_, strength, TITLES, lambda value: f"{value:.0f} ug", rule=AveragingRule.ARITHMETIC
    )


def make_month(source=200.0):
    """720 hours in which the air from `source` at 4 m/s and more is dirty."""
    directions = [(hour * 37.0) % 360 for hour in range(720)]
    speeds = [0.5 + (hour % 12) * 0.6 for hour in range(720)]
    near = [math.exp(-0.5 * (((d - source + 180) % 360 - 180) / 15) ** 2) for d in directions]
    values = [8.0 + 40.0 * share * (speed >= 4) for share, speed in zip(near, speeds, strict=True)]
    return values, directions, speeds


@pytest.mark.parametrize("source", [0.0, 200.0])
def test_the_highest_cell_is_in_the_direction_of_the_source(source):
    average, high = build(*make_month(source))
    expected = {0.0: "noorden", 200.0: "zuiden"}[source]
    for item in (average, high):
        sentence = item.describe_highest(FORMATS, "{where} {speed} {value}")
        where, speed, value = sentence.split(" ", 2)
        assert where == expected or item is high, sentence  # in a wide sector all values are of the highest quarter
        assert float(speed.replace(",", ".")) > 3.5
        assert re.fullmatch(r"\d\d ug" if item is average else r"(9\d|100) %", value)


def test_the_drawing_is_well_formed_and_has_a_cell_for_each_value():
    (average, _) = build(*make_month())
    drawing = etree.fromstring(str(average.svg(FORMATS)))
    cells = [path for path in drawing.iter("path") if path.get("class") == "cell"]
    assert len(cells) == sum(math.isfinite(value) for value in average.statistic.values.flat)
    opacities = [float(cell.get("fill-opacity")) for cell in cells]
    assert (min(opacities), max(opacities)) == (0.06, 1.0)
    assert "nan" not in etree.tostring(drawing).decode()


def test_hours_without_a_wind_or_a_value_have_no_map():
    assert build([8.0] * 10, [None] * 10, [3.0] * 10) == []
    assert build([None] * 10, [10.0] * 10, [3.0] * 10) == []
    assert build([], [], []) == []
