"""The fit of a sensor beside a reference: it equals the textbook and scipy's line, and refuses what gives no line."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.quality.collocation import MIN_HOURS, CollocationError, fit_line

RANDOM = np.random.default_rng(7)


def make_pairs(offset=2.0, slope=0.8, spread=1.5, hours=400):
    raw = RANDOM.gamma(4.0, 4.0, hours)
    return raw, offset + slope * raw + RANDOM.normal(0, spread, hours)


def test_the_line_and_its_errors_are_those_of_a_published_example():
    """Longley-like certified data: NIST StRD `Norris`, linear, certified to eleven digits."""
    y = [0.1, 338.8, 118.1, 888.0, 9.2, 228.1, 668.5, 998.5, 449.1, 778.9, 559.2, 0.3, 0.1, 778.1, 668.8, 339.3, 448.9,
         10.8, 557.7, 228.3, 998.0, 888.8, 119.6, 0.3, 0.6, 557.6, 339.3, 888.0, 998.5, 778.9, 10.2, 117.6, 228.9,
         668.4, 449.2, 0.2]  # fmt: skip
    x = [0.2, 337.4, 118.2, 884.6, 10.1, 226.5, 666.3, 996.3, 448.6, 777.0, 558.2, 0.4, 0.6, 775.5, 666.9, 338.0, 447.5,
         11.6, 556.0, 228.1, 995.8, 887.6, 120.2, 0.3, 0.3, 556.8, 339.1, 887.2, 999.0, 779.0, 11.1, 118.3, 229.2,
         669.1, 448.9, 0.5]  # fmt: skip
    fit = fit_line(x * 2, y * 2)  # twice, so that there are 72 pairs: the line stays, the errors shrink as n - 2 does
    assert fit.offset == pytest.approx(-0.262323073774029, rel=1e-9)
    assert fit.slope == pytest.approx(1.00211681802045, rel=1e-12)
    assert fit.r2 == pytest.approx(0.999993745883712, rel=1e-9)
    assert fit.spread == pytest.approx(0.884796396144373 * np.sqrt(2 * 34 / 70), rel=1e-9)
    shrunk = np.sqrt(2 * 34 / 70) / np.sqrt(2)
    assert fit.slope_error == pytest.approx(0.429796848199937e-03 * shrunk, rel=1e-9)
    assert fit.offset_error == pytest.approx(0.232818234301152 * shrunk, rel=1e-9)


def test_nineteen_of_twenty_values_lie_within_the_stated_uncertainty():
    raw, reference = make_pairs(hours=4_000)
    fit = fit_line(raw, reference)
    within = np.abs(fit.offset + fit.slope * raw - reference) <= fit.uncertainty
    assert 0.94 < within.mean() < 0.97


def test_hours_without_a_number_are_left_out():
    raw, reference = make_pairs()
    expected = fit_line(raw, reference)
    gaps = [*raw, np.nan, 5.0, np.inf]
    assert fit_line(gaps, [*reference, 5.0, np.nan, 3.0]) == expected


@settings(max_examples=60, deadline=None)
@given(scale=st.floats(1e-3, 1e3), shift=st.floats(-100, 100))
def test_the_fit_follows_the_unit_of_the_reference(scale, shift):
    raw = np.linspace(1, 50, 100)
    reference = 2 + 0.5 * raw + np.sin(raw)
    plain, scaled = fit_line(raw, reference), fit_line(raw, scale * reference + shift)
    assert scaled.slope == pytest.approx(scale * plain.slope, rel=1e-6)
    assert scaled.offset == pytest.approx(scale * plain.offset + shift, rel=1e-6, abs=1e-6 * max(scale, 1))
    assert scaled.spread == pytest.approx(scale * plain.spread, rel=1e-6)


@pytest.mark.parametrize(
    ("raw", "reference", "code"),
    [
        (np.arange(MIN_HOURS - 1.0), np.arange(MIN_HOURS - 1.0), "too_few_hours"),
        (np.full(200, 7.0), np.arange(200.0), "no_spread"),
        (np.arange(200.0), np.full(200, 7.0), "no_relation"),
        ([], [], "too_few_hours"),
    ],
)
def test_pairs_that_give_no_line_are_refused_with_the_reason(raw, reference, code):
    with pytest.raises(CollocationError) as refusal:
        fit_line(raw, reference)
    assert refusal.value.code == code


@pytest.mark.parametrize(("slope", "moves"), [(1.0, False), (0.6, False), (0.45, True), (1.6, True), (-1.0, True)])
def test_a_line_that_moves_values_by_half_is_known(slope, moves):
    raw = np.linspace(5, 60, 200)
    assert fit_line(raw, slope * raw).moves_by_half is moves
