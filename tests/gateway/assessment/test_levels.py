"""Published levels have a source each, and days at or above them are counted as anybody would."""

import math
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.assessment.levels import DAY_LEVELS, count_days_at_or_above, levels_of
from gateway.model.properties import PROPERTIES

MEANS = st.lists(st.floats(0, 1e4), max_size=400)


@pytest.mark.parametrize("level", DAY_LEVELS, ids=lambda level: f"{level.observed_property}-{level.title.en}")
def test_each_level_has_its_source_and_belongs_to_a_property_in_its_unit(level):
    assert len(level.source) > 20
    assert date(2000, 1, 1) < level.published < date(2026, 12, 31)
    assert PROPERTIES[level.observed_property].unit == "ug/m3"
    assert level.title.nl
    assert level.title.en
    assert level.title.nl != level.title.en
    assert level in levels_of(level.observed_property)


def test_the_levels_are_those_of_the_documents():
    values = {(level.observed_property, level.title.en): (level.value, level.allowed_days) for level in DAY_LEVELS}
    assert values == {
        ("pm2_5", "WHO guideline level, 2021"): (15, 3),
        ("pm10", "WHO guideline level, 2021"): (45, 3),
        ("pm10", "EU limit value, until 2030"): (50, 35),
        ("pm2_5", "EU limit value, from 2030"): (25, 18),
        ("pm10", "EU limit value, from 2030"): (45, 18),
    }


def test_a_property_without_a_level_has_none():
    assert levels_of("voc") == []
    assert levels_of("") == []


@given(MEANS)
def test_the_count_is_that_of_the_days_one_by_one(means):
    for level in DAY_LEVELS:
        count = 0
        for mean in means:
            if not mean < level.value:
                count += 1
        assert count_days_at_or_above(means, level) == count


@given(MEANS, st.floats(0, 1e4))
def test_another_day_adds_at_most_one_and_a_higher_level_has_no_more_days(means, another):
    for lower in DAY_LEVELS:
        before, after = count_days_at_or_above(means, lower), count_days_at_or_above([*means, another], lower)
        assert after - before == (another >= lower.value)
        for higher in (level for level in DAY_LEVELS if level.value >= lower.value):
            assert count_days_at_or_above(means, higher) <= before


@pytest.mark.parametrize("level", DAY_LEVELS)
def test_a_mean_of_exactly_the_level_counts_and_the_one_below_does_not(level):
    assert count_days_at_or_above([level.value], level) == 1
    assert count_days_at_or_above([math.nextafter(level.value, 0)], level) == 0
