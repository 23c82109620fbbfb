"""The polar plot: sectors, calm air, and letters of both languages."""

from datetime import UTC, datetime, timedelta

import pytest

from alerting.averaging import AveragingRule
from gateway.api.data.registry import PublicRegistry
from gateway.api.pages.formats import Formats
from gateway.api.pages.polar import LEAST_VALUES, PolarPlot, build_sectors, name_direction, pair_with_wind
from gateway.api.schemas.observations import Mean

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)


def formats(language="nl"):
    return Formats(language=language, now=AT, registry=PublicRegistry())


def mean(minute, value):
    start = AT + timedelta(minutes=minute)
    return Mean(
        datastream=1, start=start.isoformat(), end="", count=1, valid_count=1, expected_count=1, mean=value, min=None,
        max=None, flags=[], corrected=None, uncorrected=None, correction=None,
    )  # fmt: skip


def test_a_value_belongs_to_the_sector_of_its_wind_and_calm_air_to_none():
    values = [mean(i, 10.0 + i) for i in range(6)]
    directions = [mean(0, 359.0), mean(1, 1.0), mean(2, 11.0), mean(3, 225.0), mean(4, 225.0), mean(5, None)]
    speeds = [mean(3, 0.2)]
    pairs = pair_with_wind(values, directions, speeds)
    assert pairs == [(359.0, 10.0), (1.0, 11.0), (11.0, 12.0), (225.0, 14.0)]
    (north,) = build_sectors(pairs, AveragingRule.ARITHMETIC)
    assert (north.direction, north.count, north.mean, north.highest) == (0.0, 3, 11.0, 12.0)


def test_a_sector_with_few_values_is_left_out():
    assert build_sectors([(90.0, 1.0)] * (LEAST_VALUES - 1), AveragingRule.ARITHMETIC) == []
    assert len(build_sectors([(90.0, 1.0)] * LEAST_VALUES, AveragingRule.ARITHMETIC)) == 1


@pytest.mark.parametrize(
    ("language", "names"), [("nl", ["N", "NNO", "O", "ZZW", "WNW"]), ("en", ["N", "NNE", "E", "SSW", "WNW"])]
)
def test_directions_have_the_letters_of_the_language(language, names):
    assert [name_direction(formats(language), d) for d in (0, 22.5, 90, 202.5, 292.5)] == names


def test_the_plot_points_in_the_direction_of_the_wind():
    sectors = build_sectors([(90.0, 40.0)] * 3, AveragingRule.ARITHMETIC)
    svg = PolarPlot(title="<b>", sectors=sectors).svg(formats())
    assert "&lt;b&gt;" in svg
    assert "O: 40,0" in svg
    x = float(svg.split('class="sector" d="M0 0L')[1].split()[0])
    assert x > 100, "east is to the right, and 40 of 40 reaches the edge"
    assert all(f">{letter}</text>" in svg for letter in "NOZW")
    assert PolarPlot(title="", sectors=[]).svg(formats()) == ""


def test_values_of_zero_and_below_are_drawn_at_the_centre():
    svg = PolarPlot(
        title="t", sectors=build_sectors([(0.0, -1.0)] * 3 + [(90.0, 0.0)] * 3, AveragingRule.ARITHMETIC)
    ).svg(formats())
    assert "nan" not in svg
