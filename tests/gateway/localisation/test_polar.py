"""Values against the wind: compared with the weights written out."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.averaging import AveragingRule
from gateway.localisation.polar import DIRECTION_KERNEL, MIN_WEIGHT, SPEED_KERNEL, compute_cpf, compute_nwr

MOMENTS = st.lists(
    # speeds in the middle of the bins and whole degrees: the bins then change nothing
    st.tuples(st.floats(0, 100), st.integers(0, 23), st.integers(0, 359)),
    min_size=8,
    max_size=60,
)


@settings(max_examples=40, deadline=None)
@given(MOMENTS)
def test_the_regression_is_the_weighted_mean(rows):
    values = np.array([row[0] for row in rows])
    speeds = np.array([0.125 + 0.25 * row[1] for row in rows])
    directions = np.array([float(row[2]) for row in rows])
    limit = np.percentile(speeds, 99)
    speeds = np.minimum(speeds, math.floor(limit / 0.25) * 0.25 + 0.125)
    result = compute_nwr(values, speeds, directions)
    assert result.count == len(rows)
    for ring, cell in ((0, 0), (5, 70), (19, 36)):
        turn = (directions - result.directions[cell] + 180) % 360 - 180
        weights = np.exp(-0.5 * ((speeds - result.speeds[ring]) / SPEED_KERNEL) ** 2)
        weights *= np.exp(-0.5 * (turn / DIRECTION_KERNEL) ** 2)
        if weights.sum() < MIN_WEIGHT * 0.999:
            assert math.isnan(result.values[ring, cell])
        elif weights.sum() > MIN_WEIGHT * 1.001:
            assert result.values[ring, cell] == pytest.approx((weights @ values) / weights.sum(), abs=1e-6)


def test_north_is_reached_from_both_sides():
    directions = np.repeat([350.0, 10.0], 20)
    result = compute_nwr(np.repeat([1.0, 3.0], 20), np.full(40, 3.0), directions)
    ring = int(np.argmin(abs(result.speeds - 2.5)))
    assert result.values[ring, 0] == pytest.approx(2.0)


def test_the_highest_quarter_comes_from_one_direction():
    random = np.random.default_rng(3)
    directions = random.uniform(0, 360, 20_000)
    values = random.normal(10, 1, 20_000) + 30 * np.exp(-0.5 * (((directions - 200 + 180) % 360 - 180) / 12) ** 2)
    result = compute_cpf(values, random.uniform(1, 6, 20_000), directions)
    best = np.nanargmax(np.nanmean(result.values, axis=0))
    assert abs(result.directions[best] - 200) <= 5
    assert np.nanmax(result.values) > 0.95
    assert np.nanmean(result.values) == pytest.approx(0.25, abs=0.05)


def test_invalid_moments_are_left_out_and_none_is_no_error():
    nothing = compute_cpf(np.array([math.nan, 1.0]), np.array([2.0, math.nan]), np.array([10.0, 20.0]))
    assert nothing.count == 0
    assert np.isnan(nothing.values).all()


@pytest.mark.parametrize(
    ("rule", "mean"),
    [(AveragingRule.ARITHMETIC, 60.0), (AveragingRule.ENERGY, 76.99), (AveragingRule.QUADRATIC, 63.25)],
)
def test_nwr_averages_by_the_rule_of_the_property(rule, mean):
    result = compute_nwr(np.repeat([40.0, 80.0], 200), np.full(400, 3.0), np.full(400, 90.0), rule=rule)
    assert result.values[np.isfinite(result.values)] == pytest.approx(mean, abs=0.01)
